package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"safepy/internal/jobs/asynqscript"
)

// leaseSeconds is asynq's lease, which its heartbeats renew every 5 s. A worker that dies is noticed when it runs out.
const leaseSeconds = 30

// broker is the Redis client given to asynq.Server. asynq does all its bookkeeping by Lua scripts, called through EvalSha or Eval, and
// the hash says which one it is. Those that move a job are replaced by ours, which keep the job's record in step:
//
//   - dequeue: waits until there is a job. It polls all queues in one go and then waits to be woken, where asynq would ask each
//     queue once a second.
//   - done: has happened already, with the outcome.
//   - retry, archive, requeue: give the job back at once, where asynq would wait for a minute.
//   - list expired leases: the server's own sweep is faster.
//
// Those of asynq's heartbeats and housekeeping pass, without the caller's cancellation: asynq repeats failed bookkeeping with a context
// that has ended. Any other script is refused, and ends the server: a new asynq must not half work.
type broker struct {
	redis.UniversalClient
	layout layout
	log    *slog.Logger
	slots  *slots
	waiter *waiter
	lanes  roundRobin
	// refusals has the error of a script that is not known.
	refusals chan error

	hangs atomic.Bool // the last of asynq's commands was not answered in time

	outcomes  int64        // bytes of outcomes to keep, by the settings; 0 is no limit
	redisMost atomic.Int64 // Redis' maxmemory; 0 is no limit
}

func newBroker(rdb redis.UniversalClient, y layout, total int, log *slog.Logger) *broker {
	s := newSlots(total, y.cluster)
	return &broker{
		UniversalClient: rdb, layout: y, log: log, slots: s, waiter: newWaiter(rdb, y, s), lanes: newRoundRobin(y), refusals: make(chan error, 1),
	}
}

// EvalSha is asynq's call of a script that Redis has loaded.
func (b *broker) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return b.script(ctx, sha, keys, args, func(ctx context.Context) *redis.Cmd { return b.UniversalClient.EvalSha(ctx, sha, keys, args...) })
}

// Eval is asynq's call of a script that Redis has not.
func (b *broker) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return b.script(ctx, asynqscript.Hash(script), keys, args, func(ctx context.Context) *redis.Cmd {
		return b.UniversalClient.Eval(ctx, script, keys, args...)
	})
}

// script does what asynq's script is for, or has Redis run it.
func (b *broker) script(ctx context.Context, sha string, keys []string, args []any, run func(context.Context) *redis.Cmd) *redis.Cmd {
	ctx, cancel := b.patience(ctx)
	defer cancel()
	switch name := asynqscript.Name(sha); name {
	case "dequeue":
		return b.dequeue(ctx)
	case "done": // KEYS: active, lease, ...   ARGV: id, ...
		if id, ok := args[0].(string); ok && b.slots.hasEnded(id) {
			return answer(ctx, "OK")
		}
	case "retry", "archive": // KEYS: task, active, ...   ARGV: id, ...
		return b.giveBack(ctx, keys[1], args[0], asLost)
	case "requeue": // KEYS: active, ...   ARGV: id
		return b.giveBack(ctx, keys[0], args[0], asStopped)
	case "listLeaseExpired":
		return answer(ctx, []any{})
	case "writeServerState", "clearServerState", "forward", "deleteExpiredCompletedTasks", "reclaimStateAggregationSets":
	default:
		return b.refuse(ctx, sha, name)
	}
	cmd := run(ctx)
	b.noteAnswer(ctx, cmd)
	return cmd
}

// refuse answers a script that this program does not know what to do with.
func (b *broker) refuse(ctx context.Context, sha, name string) *redis.Cmd {
	err := unknownScript(sha, name)
	select {
	case b.refusals <- err:
	default:
	}
	b.waiter.pause(errorPause)
	return answer(ctx, err)
}

// unknownScript is the error for a script of asynq's that must not be run as it is.
func unknownScript(sha, name string) error {
	if name == "" {
		return fmt.Errorf("asynq calls a script with the hash %s, which the asynq that this program was written for does not have: "+
			"see what it does, and run go generate ./internal/jobs/asynqscript", sha)
	}
	return fmt.Errorf("asynq calls its script %s (%s), for which this program has nothing in its place", name, sha)
}

// ZAddXX is asynq's heartbeat for the jobs that run. asynq renews leases by the worker's clock; they are judged by Redis'.
func (b *broker) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if strings.HasSuffix(key, ":lease") {
		ahead := b.slots.redisAhead()
		for i := range members {
			members[i].Score += ahead.Round(time.Second).Seconds()
		}
	}
	ctx, cancel := b.patience(ctx)
	defer cancel()
	cmd := b.UniversalClient.ZAddXX(ctx, key, members...)
	if isFull(cmd.Err()) {
		// A full Redis would have every job run twice.
		cmd = b.renew(ctx, key, members)
	}
	b.noteAnswer(ctx, cmd)
	return cmd
}

// renewScript lets a lease live on where Redis is full: what follows a write that takes no room is not refused. KEYS: leases   ARGV: scores
// and ids
var renewScript = redis.NewScript(`
redis.call('PERSIST', KEYS[1])
return redis.call('ZADD', KEYS[1], 'XX', unpack(ARGV))`)

func (b *broker) renew(ctx context.Context, key string, members []redis.Z) *redis.IntCmd {
	var args []any
	for _, m := range members {
		args = append(args, m.Score, m.Member)
	}
	n, err := renewScript.Run(ctx, b.UniversalClient, []string{key}, args...).Int64()
	cmd := redis.NewIntCmd(ctx)
	cmd.SetVal(n)
	cmd.SetErr(err)
	return cmd
}

// ZRem is how asynq says goodbye, twice and without a limit of its own.
func (b *broker) ZRem(ctx context.Context, key string, members ...any) *redis.IntCmd {
	ctx, cancel := b.patience(ctx)
	defer cancel()
	cmd := b.UniversalClient.ZRem(ctx, key, members...)
	b.noteAnswer(ctx, cmd)
	return cmd
}

// patience is the context of one of asynq's commands: without the caller's end, and while stopping with one that is near, so
// that a worker can leave a Redis that hangs. asynq has up to a hundred things to say, one after the other: once one of them
// was not answered, the rest is only tried.
func (b *broker) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = context.WithoutCancel(ctx)
	switch {
	case !b.slots.stopping():
		return ctx, func() {}
	case b.hangs.Load():
		return context.WithTimeout(ctx, blockMargin/40)
	}
	return context.WithTimeout(ctx, blockMargin)
}

func (b *broker) noteAnswer(ctx context.Context, cmd redis.Cmder) {
	b.hangs.Store(ctx.Err() != nil && cmd.Err() != nil)
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
