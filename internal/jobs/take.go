package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// errorPause keeps a worker from spinning on a Redis that is full, read-only or away: asynq itself would try 38,000 times a second.
const errorPause = 250 * time.Millisecond

// dequeue returns the next job, whatever queue asynq asked for: a task says itself which queue it is of. It returns empty after
// slowPoll, and asynq asks again: the lease that asynq believes in began when it asked, and a job that came half a minute later
// would be taken from its worker at the first heartbeat.
func (b *broker) dequeue(ctx context.Context) *redis.Cmd {
	for asked := time.Now(); time.Since(asked) < slowPoll && !b.slots.stopping(); {
		var err error
		switch next := b.slots.next(); {
		case next.begin != nil:
			b.putTokenBack(ctx)
			return answer(ctx, next.begin.msg)
		case next.giveBack != nil:
			b.putTokenBack(ctx)
			_ = b.returned(ctx, next.giveBack)
		case next.wait > 0:
			err = b.waiter.wait(next.wait)
		default:
			err = b.poll(ctx)
		}
		if err != nil {
			b.waiter.pause(errorPause)
			return answer(ctx, err)
		}
	}
	b.putTokenBack(ctx)
	return answer(ctx, redis.Nil)
}

// putTokenBack returns the wake-up token that was taken and has led to no poll.
func (b *broker) putTokenBack(ctx context.Context) {
	if token := b.slots.takeToken(); token != "" {
		b.waiter.putBack(ctx, b.layout.wakeupsOf(token), token)
	}
}

// leaveUnbegun gives back, at the stop, what was taken or dispatched and not begun.
func (b *broker) leaveUnbegun(ctx context.Context) error {
	var errs []error
	for _, c := range b.slots.unbegun() {
		errs = append(errs, b.returned(ctx, c))
	}
	return errors.Join(errs...)
}

// returned gives back what was taken and not begun.
func (b *broker) returned(ctx context.Context, c *claim) error {
	b.slots.vacate(c)
	err := b.release(ctx, c.pending, c.id, startOf(c), asUnbegun, 0, "", "")
	b.slots.hasEnded(c.id) // asynq has never heard of it
	return err
}
