package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// outcomeBytes is the budget of what may be kept of outcomes, of one book of shares.
func (b *broker) outcomeBytes() int64 {
	m := memory{max: b.redisMost.Load()}
	return m.budget(b.outcomes, outcomePart) / int64(len(b.layout.books()))
}

// errNoRoom: the outcome does not fit into what may be kept of them.
var errNoRoom = errors.New("no room for the outcome")

// finish writes how a job ends; false when it had ended otherwise before.
func (b *broker) finish(ctx context.Context, c *claim, end ending) (bool, error) {
	code, message := "", ""
	if end.err != nil {
		code, message = string(end.err.Code), shortened(end.err.Message, maxShort) // for the list, which reads those of many
	}
	reserve, budget := 0, b.outcomeBytes()
	if end.reserve {
		reserve, budget = 1, 0
	}
	now, channel := time.Now().UTC(), b.slots.finishes()
	args := append([]any{c.id, string(end.status), strconv.FormatInt(end.finished.UnixMicro(), 10), code, message, end.doc, maxPublished,
		now.Format("2006-01-02"), now.Add(90 * 24 * time.Hour).Unix(), c.attempt, channel, believedSeconds, reserve, budget}, end.apart...)
	keys := []string{c.pending, b.layout.freeOf(c.pending), b.layout.bookOf(c.pending)}
	said, err := finishScript.Run(ctx, b.UniversalClient, keys, args...).Int()
	if err == nil && said < 0 {
		err = errNoRoom
	}
	b.slots.finished(c, err == nil, err == nil && said&2 != 0)
	return err == nil && said&1 != 0, err
}

// progress notes how far a running job's cases are.
func (b *broker) progress(ctx context.Context, c *claim, cases []byte) error {
	l, ok := laneOf(c.id)
	if !ok {
		return ErrNotFound
	}
	return progressScript.Run(ctx, b.UniversalClient, []string{l.record(c.id)}, startOf(c), cases).Err()
}

// Why release gives a job back: its worker was lost with it, it has not begun, or its run was only broken off.
const (
	asLost    = "lost"
	asUnbegun = "unbegun"
	asStopped = ""
)

// release gives a job back to its queue, as long as the run is the one that started then; one that has been lost limit times ends with
// the error.
func (b *broker) release(ctx context.Context, pending, id, started, as string, limit int, code Code, message string) error {
	b.slots.unlist() // a slot is free that Redis does not know of
	keys := []string{pending, b.layout.wakeupsOf(pending), b.layout.bookOf(pending)}
	err := releaseScript.Run(ctx, b.UniversalClient, keys, id, as, limit, string(code), message, started).Err()
	if errors.Is(err, redis.Nil) {
		err = nil // not active any more: somebody else took it back
	}
	if err == nil {
		b.slots.end(id)
	}
	return err
}

// giveBack is release as asynq asks for it.
func (b *broker) giveBack(ctx context.Context, active string, id any, as string) *redis.Cmd {
	if c := b.slots.claimed(fmt.Sprint(id)); c != nil {
		b.slots.vacate(c) // its handler has never been called
	}
	pending := strings.TrimSuffix(active, "active") + "pending"
	if err := b.release(ctx, pending, fmt.Sprint(id), "", as, maxLost, Crashed, lostMessage); err != nil {
		return answer(ctx, err)
	}
	b.slots.hasEnded(fmt.Sprint(id))
	return answer(ctx, "OK")
}

// sweep takes back the jobs of workers that died, and makes a book of shares anew when it is time.
func (b *broker) sweep(ctx context.Context) error {
	for _, lanes := range b.layout.groups() {
		keys := append([]string{b.layout.wakeups(lanes[0]), b.layout.book(lanes[0])}, pendingLists(lanes)...)
		found, err := sweepScript.Run(ctx, b.UniversalClient, keys, maxLost, string(Crashed), lostMessage).StringSlice()
		if err != nil {
			return err
		}
		for i := 1; i+1 < len(found); i += 2 {
			b.log.Warn("took back a job of a lost worker", "job", found[i], "now", found[i+1])
		}
		if len(found) > 0 && found[0] == "audit" {
			if err := b.audit(ctx, keys[1:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// audit makes a book of shares anew from the queues and the records. The keys are the book's and those of its pending lists.
func (b *broker) audit(ctx context.Context, keys []string) error {
	err := auditScript.Run(ctx, b.UniversalClient, keys).Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
