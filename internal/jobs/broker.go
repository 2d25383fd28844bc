package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// leaseSeconds is asynq's lease, which its heartbeats renew every 5 s. A worker that dies is noticed when it runs out.
	leaseSeconds = 30
	// errorPause keeps a worker from spinning on a Redis that is full, read-only or away: asynq itself would try 38,000
	// times a second.
	errorPause = 250 * time.Millisecond
)

// broker is the Redis client given to asynq.Server. asynq does all its bookkeeping by Lua scripts, called through EvalSha, and
// the keys say which one it is. Those that move a job are replaced by ours, which keep the job's record in step:
//
//   - dequeue: does not return until there is a job. It looks at all queues in one go and then waits on a bell, where asynq
//     would ask each queue once a second.
//   - done: has happened already, with the outcome.
//   - retry, archive, requeue: give the job back at once, where asynq would wait for a minute.
//   - list expired leases: the server's own sweep is faster.
//
// All others pass, without the caller's cancellation: asynq repeats failed bookkeeping with a context that has ended.
type broker struct {
	redis.UniversalClient
	layout layout
	log    *slog.Logger
	turns  turns
	park   *parking

	mu       sync.Mutex
	claims   map[string]*claim   // taken, not yet handed to the handler
	finished map[string]struct{} // off the books, asynq does not know yet
	ahead    time.Duration       // Redis' clock less ours
}

// claim is a job that this worker has taken.
type claim struct {
	id       string
	pending  string // the queue it came from
	client   string
	request  string
	attempt  int
	created  time.Time
	started  time.Time // by Redis' clock
	obtained time.Time // by ours, at the same moment
}

func newBroker(rdb redis.UniversalClient, y layout, log *slog.Logger) *broker {
	return &broker{
		UniversalClient: rdb, layout: y, log: log, turns: newTurns(y.lanes), park: newParking(rdb, y),
		claims: map[string]*claim{}, finished: map[string]struct{}{},
	}
}

// EvalSha recognizes asynq's scripts by their keys.
func (b *broker) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	ctx = context.WithoutCancel(ctx)
	ends := func(i int, suffix string) bool { return strings.HasSuffix(keys[i], suffix) }
	switch {
	case len(keys) == 4 && ends(1, ":paused"):
		return b.dequeue(ctx)
	case len(keys) == 5 && ends(0, ":active") && ends(1, ":lease"):
		if id, ok := args[0].(string); ok && b.wasFinished(id) {
			return answer(ctx, "OK")
		}
	case (len(keys) == 8 || len(keys) == 9) && ends(1, ":active") && ends(2, ":lease"):
		return b.giveBack(ctx, keys[1], args[0], true)
	case len(keys) == 4 && ends(0, ":active") && ends(2, ":pending"):
		return b.giveBack(ctx, keys[0], args[0], false)
	case len(keys) == 1 && ends(0, ":lease"):
		return answer(ctx, []any{})
	}
	return b.UniversalClient.EvalSha(ctx, sha, keys, args...)
}

// ZAddXX: asynq renews leases by the worker's clock; they are judged by Redis'.
func (b *broker) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if strings.HasSuffix(key, ":lease") {
		b.mu.Lock()
		ahead := b.ahead
		b.mu.Unlock()
		for i := range members {
			members[i].Score += ahead.Round(time.Second).Seconds()
		}
	}
	return b.UniversalClient.ZAddXX(context.WithoutCancel(ctx), key, members...)
}

func answer(ctx context.Context, v any) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	if err, ok := v.(error); ok {
		cmd.SetErr(err)
	} else {
		cmd.SetVal(v)
	}
	return cmd
}

// dequeue returns the next job, whatever queue asynq asked for: a task says itself which queue it is of. It returns empty only
// when the server stops.
func (b *broker) dequeue(ctx context.Context) *redis.Cmd {
	hint := ""
	for !b.park.stopping() {
		msg, c, err := b.pick(ctx, hint)
		if err != nil {
			b.park.pause(errorPause)
			return answer(ctx, err)
		}
		if c != nil {
			b.mu.Lock()
			b.claims[c.id] = c
			b.ahead = c.started.Sub(c.obtained)
			b.mu.Unlock()
			return answer(ctx, msg)
		}
		if hint, err = b.park.wait(); err != nil {
			b.park.pause(errorPause)
			return answer(ctx, err)
		}
	}
	return answer(ctx, redis.Nil)
}

// pick takes the next job that there is, if any. The hint is where one was heard of.
func (b *broker) pick(ctx context.Context, hint string) (msg string, c *claim, err error) {
	for _, keys := range b.turns.order(b.layout, hint) {
		v, err := pickScript.Run(ctx, b.UniversalClient, keys, leaseSeconds).Slice()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		msg, c, err := parseClaim(v)
		if err != nil {
			return "", nil, err
		}
		b.turns.served(c.pending)
		return msg, c, nil
	}
	return "", nil, nil
}

func parseClaim(v []any) (msg string, c *claim, err error) {
	if len(v) != 8 {
		return "", nil, fmt.Errorf("pick: %d values", len(v))
	}
	s := func(i int) string { t, _ := v[i].(string); return t }
	c = &claim{id: s(1), pending: s(2), request: s(6), client: s(7), obtained: time.Now()}
	created, err := micros(s(3))
	if err != nil || created == nil {
		return "", nil, fmt.Errorf("pick: created %q", s(3))
	}
	started, err := micros(s(4))
	if err != nil || started == nil {
		return "", nil, fmt.Errorf("pick: started %q", s(4))
	}
	c.created, c.started = *created, *started
	n, _ := v[5].(int64)
	c.attempt = int(n)
	return s(0), c, nil
}

// take hands a claim to the handler.
func (b *broker) take(id string) *claim {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.claims[id]
	delete(b.claims, id)
	return c
}

// finish writes the outcome; false when the job had ended otherwise before.
func (b *broker) finish(ctx context.Context, c *claim, status Status, e *Error, finished time.Time, doc []byte) (bool, error) {
	code, message := "", ""
	if e != nil {
		code, message = string(e.Code), e.Message
	}
	now := time.Now().UTC()
	won, err := finishScript.Run(ctx, b.UniversalClient, []string{c.pending}, c.id, string(status),
		strconv.FormatInt(finished.UnixMicro(), 10), code, message, doc, maxPublished,
		now.Format("2006-01-02"), now.Add(90*24*time.Hour).Unix(), c.attempt).Bool()
	if err == nil {
		b.off(c.id)
	}
	return won, err
}

// release gives a job back to its queue; lost counts against it.
func (b *broker) release(ctx context.Context, pending, id string, lost bool, limit int, code Code, message string) error {
	counts := 0
	if lost {
		counts = 1
	}
	err := releaseScript.Run(ctx, b.UniversalClient, []string{pending, b.bellOf(pending)}, id, counts, limit, string(code), message).Err()
	if errors.Is(err, redis.Nil) {
		err = nil // not active any more: somebody else took it back
	}
	if err == nil {
		b.off(id)
	}
	return err
}

// giveBack is release as asynq asks for it.
func (b *broker) giveBack(ctx context.Context, active string, id any, lost bool) *redis.Cmd {
	pending := strings.TrimSuffix(active, "active") + "pending"
	if err := b.release(ctx, pending, fmt.Sprint(id), lost, maxLost, Crashed, lostMessage); err != nil {
		return answer(ctx, err)
	}
	b.wasFinished(fmt.Sprint(id))
	return answer(ctx, "OK")
}

// off remembers that a job needs no bookkeeping by asynq any more, until asynq comes to do it.
func (b *broker) off(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finished[id] = struct{}{}
}

func (b *broker) wasFinished(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.finished[id]
	delete(b.finished, id)
	return ok
}

// sweep takes back the jobs of workers that died.
func (b *broker) sweep(ctx context.Context) error {
	for _, lanes := range b.layout.groups() {
		keys := []string{b.layout.bell(lanes[0])}
		for _, l := range lanes {
			for _, p := range priorities {
				keys = append(keys, l.pending(p.name))
			}
		}
		found, err := sweepScript.Run(ctx, b.UniversalClient, keys, maxLost, string(Crashed), lostMessage).StringSlice()
		if err != nil {
			return err
		}
		for i := 0; i+1 < len(found); i += 2 {
			b.log.Warn("took back a job of a lost worker", "job", found[i], "now", found[i+1])
		}
	}
	return nil
}

func (b *broker) bellOf(pending string) string {
	if !b.layout.cluster {
		return globalBell
	}
	tag, _, _ := strings.Cut(strings.TrimPrefix(pending, "asynq:"), "}")
	return "safepy:" + tag + "}:bell"
}
