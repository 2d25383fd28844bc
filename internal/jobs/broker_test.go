package jobs

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// TestUnknownScript: what asynq would do by a script that it did not have ends the server, by name; whether Redis has the script or not.
func TestUnknownScript(t *testing.T) {
	const script = "return 1 -- of a later version"
	hash := redis.NewScript(script).Hash()
	for _, loaded := range []bool{false, true} {
		rdb := startRedis(t).client()
		if loaded {
			rdb.ScriptLoad(context.Background(), script)
		}
		s, err := NewServer(rdb, runnerFunc(echo), ServerOptions{Logger: testLog(t)})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Run(context.Background()) }()
		err = s.broker.Eval(context.Background(), script, []string{"key"}).Err()
		if loaded {
			err = s.broker.EvalSha(context.Background(), hash, []string{"key"}).Err()
		}
		if err == nil || !strings.Contains(err.Error(), hash) {
			t.Errorf("%v", err)
		}
		if err := <-ended; err == nil || !strings.Contains(err.Error(), hash) {
			t.Errorf("the server ended with %v", err)
		}
	}
}

// TestScriptWithoutUse: a script of asynq's that this program knows and has nothing in the place of is refused by its name.
func TestScriptWithoutUse(t *testing.T) {
	rdb := startRedis(t).client()
	y, err := newLayout(rdb, 0)
	if err != nil {
		t.Fatal(err)
	}
	const markAsComplete = "117dca952700588e559c7ace20b925096d587974"
	clients := map[string]redis.UniversalClient{"server": newBroker(rdb, y, 1, testLog(t)), "client": &submitter{UniversalClient: rdb}}
	for name, client := range clients {
		err := client.EvalSha(context.Background(), markAsComplete, []string{"key"}).Err()
		if err == nil || !strings.Contains(err.Error(), "markAsComplete ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDequeueByEval: asynq's dequeue is ours however it is called.
func TestDequeueByEval(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	j := submit(t, q, "x", SubmitOptions{})
	b := newBroker(rdb, q.layout, 1, testLog(t))
	pending := lane(0).pending(Default)
	msg, err := b.Eval(context.Background(), dequeueSource, []string{pending, "p", "a", "l"}, 0, "t").Text()
	if err != nil || !strings.Contains(msg, j.ID) {
		t.Errorf("%q, %v", msg, err)
	}
	if c := b.slots.claimed(j.ID); c == nil || c.attempt != 1 {
		t.Errorf("%+v", c)
	}
}

// dequeueSource is asynq's.
const dequeueSource = `
if redis.call("EXISTS", KEYS[2]) == 0 then
	local id = redis.call("RPOPLPUSH", KEYS[1], KEYS[3])
	if id then
		local key = ARGV[2] .. id
		redis.call("HSET", key, "state", "active")
		redis.call("HDEL", key, "pending_since")
		redis.call("ZADD", KEYS[4], ARGV[1], id)
		return redis.call("HGET", key, "msg")
	end
end
return nil`
