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
	layout  layout
	log     *slog.Logger
	turns   turns
	park    *parking
	handout *handout

	slots int
	batch int      // how many jobs to ask for next; used by asynq's one dequeuing goroutine, as turns
	spare []*claim // taken beyond the one that was asked for
	// What follows is used likewise.
	empty bool   // the latest look found nothing, or took the last there was, or jobs were handed over since
	hint  string // of a token off the bell: there may be a job here

	hangs atomic.Bool // the last of asynq's commands was not answered in time

	mu        sync.Mutex
	busy      int                 // slots that jobs have or are about to have
	finishing int                 // of those, how many Redis is being told to be free
	claims    map[string]*claim   // taken, not yet handed to the handler
	finished  map[string]struct{} // off the books, asynq does not know yet
	ahead     time.Duration       // Redis' clock less ours
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
	idle     bool      // it takes no slot any more; guarded by broker.mu
}

func newBroker(rdb redis.UniversalClient, y layout, slots int, log *slog.Logger) *broker {
	return &broker{
		UniversalClient: rdb, layout: y, log: log, turns: newTurns(y.lanes), park: newParking(rdb, y), handout: newHandout(),
		slots: slots, batch: 1, claims: map[string]*claim{}, finished: map[string]struct{}{},
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
		return b.giveBack(ctx, keys[1], args[0], asLost)
	case len(keys) == 4 && ends(0, ":active") && ends(2, ":pending"):
		return b.giveBack(ctx, keys[0], args[0], asStopped)
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
	for asked := time.Now(); time.Since(asked) < slowPoll && !b.park.stopping(); {
		if len(b.spare) > 0 {
			c := b.spare[0]
			b.spare = b.spare[1:]
			b.hand(c)
			return answer(ctx, c.msg)
		}
		if c := b.handout.take(); c != nil {
			b.empty = b.empty && b.handout.isSure()
			b.passOn(ctx)
			if time.Since(c.obtained) > staleDelivery {
				// Its lease may be over before asynq renews it.
				_ = b.returned(ctx, c)
				continue
			}
			b.turns.served(c.pending)
			b.hand(c)
			return answer(ctx, c.msg)
		}
		var err error
		if b.empty && b.handout.lookedLately() {
			var news bool
			b.hint, news, err = b.park.wait(b.handout.news)
			b.empty = news && b.hint == "" && b.handout.isSure()
		} else {
			b.spare, err = b.pick(ctx)
		}
		if err != nil {
			b.park.pause(errorPause)
			return answer(ctx, err)
		}
	}
	b.passOn(ctx)
	return answer(ctx, redis.Nil)
}

// passOn puts the token back that was taken off the bell and has led to no look, for whoever has a slot free.
func (b *broker) passOn(ctx context.Context) {
	if b.hint == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), blockMargin)
	defer cancel()
	// Where it is lost, the next slow look is the net.
	_ = b.UniversalClient.LPush(ctx, b.bellOf(b.hint), b.hint).Err()
	b.hint = ""
}

// hand gives a job to asynq, which calls the handler.
func (b *broker) hand(c *claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claims[c.id] = c
}

// idle says that a job takes no slot any more. It may be said again.
func (b *broker) idle(c *claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vacate(c)
}

func (b *broker) vacate(c *claim) {
	if !c.idle {
		c.idle = true
		b.busy--
	}
}

// leaveSpare gives back, at the stop, what was taken and not begun.
func (b *broker) leaveSpare(ctx context.Context) error {
	var errs []error
	for _, c := range b.spare {
		errs = append(errs, b.returned(ctx, c))
	}
	b.spare = nil
	return errors.Join(errs...)
}

// returned gives back what was taken and not begun.
func (b *broker) returned(ctx context.Context, c *claim) error {
	b.idle(c)
	err := b.release(ctx, c.pending, c.id, startOf(c), asUnbegun, 0, "", "")
	b.wasFinished(c.id) // asynq has never heard of it
	return err
}

// channel is where jobs may be handed to this worker; empty when none is to be.
func (b *broker) channel() string {
	if b.park.stopping() {
		return ""
	}
	return b.handout.current()
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
		code, message = string(e.Code), shortened(e.Message, maxShort) // for the list, which reads those of many
	}
	now, channel := time.Now().UTC(), b.channel()
	if !b.handout.lookedLately() {
		channel = "" // whoever comes to this slot is to look first: something may wait that nobody was handed or told of
	}
	args := append([]any{c.id, string(status), strconv.FormatInt(finished.UnixMicro(), 10), code, message, doc, maxPublished,
		now.Format("2006-01-02"), now.Add(90 * 24 * time.Hour).Unix(), c.attempt, channel, believedSeconds}, apart...)
	// The next job for its slot may be there before the answer is.
	b.mu.Lock()
	b.finishing++
	b.mu.Unlock()
	said, err := finishScript.Run(ctx, b.UniversalClient, []string{c.pending, b.freeOf(c.pending)}, args...).Int()
	b.mu.Lock()
	b.finishing--
	if err == nil {
		b.finished[c.id] = struct{}{}
		b.vacate(c)
	}
	b.mu.Unlock()
	if said&2 == 0 {
		b.handout.unsure()
	}
	return said&1 != 0, err
}

// What release says of a job besides: that its worker was lost with it, or that it has not begun. A run that was only broken off is neither.
const (
	asLost    = "lost"
	asUnbegun = "unbegun"
	asStopped = ""
)

// startOf is when a run has started, as Redis has it.
func startOf(c *claim) string { return strconv.FormatInt(c.started.UnixMicro(), 10) }

// release gives a job back to its queue, as long as the run is the one that started then; one that has been lost limit times ends with
// the error.
func (b *broker) release(ctx context.Context, pending, id, started, as string, limit int, code Code, message string) error {
	b.handout.unsure() // a slot is free that Redis does not know of
	err := releaseScript.Run(ctx, b.UniversalClient, []string{pending, b.bellOf(pending)}, id, as, limit, string(code), message, started).Err()
	if errors.Is(err, redis.Nil) {
		err = nil // not active any more: somebody else took it back
	}
	if err == nil {
		b.off(id)
	}
	return err
}

// giveBack is release as asynq asks for it.
func (b *broker) giveBack(ctx context.Context, active string, id any, as string) *redis.Cmd {
	if c := b.take(fmt.Sprint(id)); c != nil {
		b.idle(c) // its handler has never been called
	}
	pending := strings.TrimSuffix(active, "active") + "pending"
	if err := b.release(ctx, pending, fmt.Sprint(id), "", as, maxLost, Crashed, lostMessage); err != nil {
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
	return besides(pending, "bell")
}

// freeOf is bellOf for the workers with free slots.
func (b *broker) freeOf(pending string) string {
	if !b.layout.cluster {
		return globalFree
	}
	return besides(pending, "free")
}

// besides is a key of the lane that a pending list is of.
func besides(pending, name string) string {
	tag, _, _ := strings.Cut(strings.TrimPrefix(pending, "asynq:"), "}")
	return "safepy:" + tag + "}:" + name
}
