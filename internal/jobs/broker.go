package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
//   - dequeue: waits until there is a job. It looks at all queues in one go and then waits on a bell, where asynq
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

	slots int
	batch int      // how many jobs to ask for next; used by asynq's one dequeuing goroutine, as turns
	spare []*claim // taken beyond the one that was asked for
	empty bool     // the latest look found nothing, or took the last there was; used likewise

	hangs atomic.Bool // the last of asynq's commands was not answered in time

	mu       sync.Mutex
	busy     int
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
	msg      string    // asynq's
	started  time.Time // by Redis' clock
	obtained time.Time // by ours, at the same moment
	last     bool      // of all that this worker can take
}

func newBroker(rdb redis.UniversalClient, y layout, slots int, log *slog.Logger) *broker {
	return &broker{
		UniversalClient: rdb, layout: y, log: log, turns: newTurns(y.lanes), park: newParking(rdb, y), slots: slots, batch: 1,
		claims: map[string]*claim{}, finished: map[string]struct{}{},
	}
}

// EvalSha recognizes asynq's scripts by their keys.
func (b *broker) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	ctx, cancel := b.patience(ctx)
	defer cancel()
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
	cmd := b.UniversalClient.EvalSha(ctx, sha, keys, args...)
	b.noteAnswer(ctx, cmd)
	return cmd
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
	ctx, cancel := b.patience(ctx)
	defer cancel()
	cmd := b.UniversalClient.ZAddXX(ctx, key, members...)
	b.noteAnswer(ctx, cmd)
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
	case !b.park.stopping():
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

// dequeue returns the next job, whatever queue asynq asked for: a task says itself which queue it is of. It returns empty after
// slowPoll, and asynq asks again: the lease that asynq believes in began when it asked, and a job that came half a minute later
// would be taken from its worker at the first heartbeat.
func (b *broker) dequeue(ctx context.Context) *redis.Cmd {
	hint := ""
	for asked := time.Now(); time.Since(asked) < slowPoll && !b.park.stopping(); {
		if len(b.spare) > 0 {
			c := b.spare[0]
			b.spare = b.spare[1:]
			b.hand(c)
			return answer(ctx, c.msg)
		}
		var err error
		if b.empty {
			b.empty = false
			hint, err = b.park.wait()
		} else {
			b.spare, err = b.pick(ctx, hint)
		}
		if err != nil {
			b.park.pause(errorPause)
			return answer(ctx, err)
		}
	}
	return answer(ctx, redis.Nil)
}

// hand gives a job to asynq, which calls the handler.
func (b *broker) hand(c *claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy++
	b.claims[c.id] = c
	b.ahead = c.started.Sub(c.obtained)
}

// idle says that a handler is done.
func (b *broker) idle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy--
}

// maxBatch is how many jobs are taken in one round trip at most: asynq takes them one by one, and with short jobs the round
// trips are what limits a worker.
const maxBatch = 8

// pick takes the next jobs that there are: one, or as long as there were as many as asked for, up to one for each free slot.
// The hint is where one was heard of.
func (b *broker) pick(ctx context.Context, hint string) ([]*claim, error) {
	b.mu.Lock()
	free := b.slots - b.busy
	b.mu.Unlock()
	n := max(1, min(b.batch, free, maxBatch))
	if b.layout.cluster || n == 1 {
		c, err := b.pickOne(ctx, hint)
		if c == nil {
			b.batch = 1
			b.empty = err == nil
			return nil, err
		}
		if b.empty = c.last && !b.layout.cluster; b.empty { // there the script has seen one lane
			b.batch = 1
		} else {
			b.batch = 2
		}
		return []*claim{c}, nil
	}
	cmds := make([]*redis.Cmd, n)
	pipe := b.UniversalClient.Pipeline()
	for i := range cmds {
		cmds[i] = pickScript.EvalSha(ctx, pipe, b.turns.order(b.layout, "", i)[0], leaseSeconds)
	}
	// Each command has its own answer, also when the connection broke between two.
	_, _ = pipe.Exec(ctx)
	var taken []*claim
	for _, cmd := range cmds {
		c, err := parseClaim(cmd.Slice())
		if err != nil {
			b.batch = 1
			if redis.HasErrorPrefix(err, "NOSCRIPT") {
				break // the next one asks for one, and brings the script
			}
			if len(taken) == 0 {
				return nil, err
			}
			break
		}
		if c != nil {
			b.turns.served(c.pending)
			taken = append(taken, c)
		}
	}
	if len(taken) == 0 {
		b.batch = 1
		return b.pick(ctx, hint)
	}
	b.batch, b.empty = 1, taken[len(taken)-1].last
	if len(taken) == n && !b.empty {
		b.batch = 2 * n
	}
	return taken, nil
}

func (b *broker) pickOne(ctx context.Context, hint string) (*claim, error) {
	for _, keys := range b.turns.order(b.layout, hint, 0) {
		c, err := parseClaim(pickScript.Run(ctx, b.UniversalClient, keys, leaseSeconds).Slice())
		if err != nil {
			return nil, err
		}
		if c != nil {
			b.turns.served(c.pending)
			return c, nil
		}
	}
	return nil, nil
}

// leaveSpare gives back, at the stop, what was taken and not begun.
func (b *broker) leaveSpare(ctx context.Context) error {
	var errs []error
	for _, c := range b.spare {
		errs = append(errs, b.release(ctx, c.pending, c.id, false, 0, "", ""))
		b.wasFinished(c.id)
	}
	b.spare = nil
	return errors.Join(errs...)
}

// parseClaim reads the pick script's answer; nil when there was no job.
func parseClaim(v []any, err error) (*claim, error) {
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(v) != 9 {
		return nil, fmt.Errorf("pick: %d values", len(v))
	}
	s := func(i int) string { t, _ := v[i].(string); return t }
	c := &claim{msg: s(0), id: s(1), pending: s(2), request: s(6), client: s(7), obtained: time.Now()}
	created, err := micros(s(3))
	if err != nil || created == nil {
		return nil, fmt.Errorf("pick: created %q", s(3))
	}
	started, err := micros(s(4))
	if err != nil || started == nil {
		return nil, fmt.Errorf("pick: started %q", s(4))
	}
	c.created, c.started = *created, *started
	n, _ := v[5].(int64)
	more, _ := v[8].(int64)
	c.attempt, c.last = int(n), more == 0
	return c, nil
}

// take hands a claim to the handler.
func (b *broker) take(id string) *claim {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.claims[id]
	delete(b.claims, id)
	return c
}

// finish writes the outcome, the document and what is kept apart from it; false when the job had ended otherwise before.
func (b *broker) finish(ctx context.Context, c *claim, status Status, e *Error, finished time.Time, doc []byte, apart []any) (bool, error) {
	code, message := "", ""
	if e != nil {
		code, message = string(e.Code), e.Message
	}
	now := time.Now().UTC()
	args := append([]any{c.id, string(status), strconv.FormatInt(finished.UnixMicro(), 10), code, message, doc, maxPublished,
		now.Format("2006-01-02"), now.Add(90 * 24 * time.Hour).Unix(), c.attempt}, apart...)
	won, err := finishScript.Run(ctx, b.UniversalClient, []string{c.pending}, args...).Bool()
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
