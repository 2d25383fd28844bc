package jobs

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Direct dispatch is how a worker that waits gets jobs without asking for them. A poll that leaves the queues empty puts the worker, with
// the number of its free slots, into the list of free workers; from then on whoever submits a job publishes it to one of them, as a job
// that runs, and counts one slot less; and whoever finishes one counts one more. That spares a wake-up token and the poll behind it. The
// first job that finds no free slot empties the list, and everybody polls again when he has one.
//
// The list may be wrong: a worker may be gone, or Redis may have lost it. Then jobs wait in their queues with a wake-up token, as they
// do on a cluster, where no script sees the list and the queues together. And a poll comes every slowPoll whatever is dispatched.

const (
	// maxDispatched is the longest request, in bytes, that is dispatched to a worker; longer ones it takes itself. A client of Redis that
	// does not keep up with what is published is cut off at 8 MB.
	maxDispatched = 64 << 10
	// dispatchedLeaseSeconds is the lease of a job that is dispatched, until the worker's next heartbeat, in 5 s at most, makes it
	// leaseSeconds: how long a job waits that was dispatched to a worker which does not hear it.
	dispatchedLeaseSeconds = 15
	// believedSeconds is how long a worker is believed to be there that does not say so again, as it does every slowPoll while it
	// has a slot free, and with each job that it finishes.
	believedSeconds = 15
	// staleDelivery is the age at which a worker gives a job back that it was dispatched: before asynq renews the lease, it may be over.
	staleDelivery = 8 * time.Second
)

// receive takes what is dispatched until ctx ends, on a channel for each connection: what was said while there was none has been said to
// nobody, and how many jobs are on their way could not be told any more.
func (b *broker) receive(ctx context.Context) {
	var bounced sync.WaitGroup
	for !b.layout.cluster && ctx.Err() == nil {
		b.receiveOn(ctx, "safepy:worker:"+uuid.NewString(), &bounced)
	}
	bounced.Wait()
}

func (b *broker) receiveOn(ctx context.Context, channel string, bounced *sync.WaitGroup) {
	sub := b.Subscribe(context.WithoutCancel(ctx), channel)
	messages := sub.ChannelWithSubscriptions(redis.WithChannelSize(256))
	defer func() {
		b.slots.listenOn("")
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), blockMargin)
		defer cancel()
		if b.leaveList(leave, channel) == nil && sub.Unsubscribe(leave, channel) == nil {
			// What was dispatched before comes before Redis says that the channel is left.
			b.hear(leave, nil, channel, messages, bounced, func(m *redis.Subscription) bool { return m.Kind == "unsubscribe" })
		}
		sub.Close()
		// What was read and not taken yet.
		b.hear(context.WithoutCancel(ctx), nil, channel, messages, bounced, func(*redis.Subscription) bool { return false })
	}()
	b.hear(ctx, b.slots.renew, channel, messages, bounced, func(*redis.Subscription) bool {
		if b.slots.listensOn() == channel {
			return true // on another connection
		}
		b.slots.listenOn(channel)
		return false
	})
}

// hear takes what comes on a channel until ctx or messages end, stop has a token, or what Redis says of the subscription is the last.
func (b *broker) hear(ctx context.Context, stop <-chan struct{}, channel string, messages <-chan any, bounced *sync.WaitGroup,
	last func(*redis.Subscription) bool) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-stop:
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			switch m := m.(type) {
			case *redis.Message:
				b.received(ctx, channel, m.Payload, bounced)
			case *redis.Subscription:
				if last(m) {
					return
				}
			}
		}
	}
}

// received takes a job that was dispatched. One that there is no slot for, or that has been long on its way, goes back at once.
func (b *broker) received(ctx context.Context, channel, delivery string, bounced *sync.WaitGroup) {
	c, err := parseDelivery(delivery)
	switch taken := b.slots.arrive(channel, c); {
	case taken:
	case err != nil:
		b.log.Error("a job came in an unknown form; it comes back when its lease ends", "error", err)
	default:
		bounced.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), blockMargin)
			defer cancel()
			if err := b.returned(ctx, c); err != nil {
				b.log.Warn("a job that could not be begun comes back when its lease ends", "job", c.id, "error", err)
			}
		})
	}
}

// leaveList takes a channel off the list of free workers. What is left there of a worker that could not do so goes with the first job
// that nobody hears of.
func (b *broker) leaveList(ctx context.Context, channel string) error {
	pipe := b.UniversalClient.Pipeline()
	pipe.ZRem(ctx, globalFree, channel)
	pipe.Del(ctx, channel)
	_, err := pipe.Exec(ctx)
	return err
}
