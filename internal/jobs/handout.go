package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// maxHanded is the longest request, in bytes, that is handed to a worker; longer ones it takes itself. A client of Redis that does
	// not keep up with what is published is cut off at 8 MB.
	maxHanded = 64 << 10
	// handedLeaseSeconds is the lease of a job that is handed over, until the worker's next heartbeat, in 5 s at most, makes it
	// leaseSeconds: how long a job waits that was handed to a worker which does not hear it.
	handedLeaseSeconds = 15
	// believedSeconds is how long a worker is believed to be there that does not say so again, as it does every slowPoll while it
	// has a slot free, and with each job that it finishes.
	believedSeconds = 15
	// staleDelivery is the age at which a worker gives a job back that it was handed: before asynq renews the lease, it may be over.
	staleDelivery = 8 * time.Second
)

// handout is how a worker that waits gets jobs without asking for them. A look that leaves the queues empty puts the worker, with the
// number of its free slots, among those with free slots; from then on whoever submits a job publishes it to one of them, as a job that
// runs, and counts one slot less; and whoever finishes one counts one more. That spares a token on the bell and the look behind it. The
// first job that finds no free slot empties the list, and everybody looks again when he has one.
//
// The list may be wrong: a worker may be gone, or Redis may have lost it. Then jobs wait in their queues with a token on the bell, as they
// do on a cluster, where no script sees the list and the queues together. And a look comes every slowPoll whatever is handed over.
type handout struct {
	// renew has a token when the channel cannot be believed any more.
	renew chan struct{}
	// news has a token when there may be something to take, or sure has ended.
	news chan struct{}

	mu sync.Mutex
	// channel is the worker's own, and its name in the list; empty while it does not listen, and on a cluster.
	channel string
	heard   int // of jobs, on that channel
	claims  []*claim
	coming  time.Time // since when jobs have been on their way and none has come; zero while there are none
	sure    bool      // that it is in the list: since its last look no job for all workers has had to wait
	look    time.Time // when it has last seen the queues
}

func newHandout() *handout {
	return &handout{news: make(chan struct{}, 1), renew: make(chan struct{}, 1)}
}

// take returns the next job that was handed over, nil when there is none.
func (h *handout) take() *claim {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.claims) == 0 {
		return nil
	}
	c := h.claims[0]
	h.claims = h.claims[1:]
	return c
}

func (h *handout) isSure() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sure
}

// looked is told by an answer of Redis that the worker has seen the queues, and whether a channel is in the list now; it may be the
// worker's no more.
func (h *handout) looked(channel string, listed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.look = time.Now()
	h.sure = listed && channel != "" && channel == h.channel
}

func (h *handout) lookedLately() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.look) < slowPoll
}

// unsure is told that the worker is not in the list, or not with all of its slots: what it waits for may be there now.
func (h *handout) unsure() {
	h.mu.Lock()
	h.sure = false
	h.mu.Unlock()
	h.tell()
}

func (h *handout) tell() {
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// listenOn sets the channel, from when it is listened to; none, from when it may not have been.
func (h *handout) listenOn(channel string) {
	h.mu.Lock()
	h.channel, h.heard, h.sure, h.coming = channel, 0, false, time.Time{}
	h.mu.Unlock()
	h.tell()
}

// onTheWay is told how many jobs Redis had handed over when so many were heard of. What takes longer than a blocked command would has been
// lost.
func (h *handout) onTheWay(jobs, heard int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case jobs == 0 || h.heard != heard:
		h.coming = time.Time{}
	case h.coming.IsZero():
		h.coming = time.Now()
	case time.Since(h.coming) > blockMargin:
		select {
		case h.renew <- struct{}{}:
		default:
		}
	}
}

func (h *handout) current() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.channel
}

// receive takes what is handed over until ctx ends, on a channel for each connection: what was said while there was none has been said to
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
		b.handout.listenOn("")
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), blockMargin)
		defer cancel()
		if b.unlist(leave, channel) == nil && sub.Unsubscribe(leave, channel) == nil {
			// What was handed over before comes before Redis says that the channel is left.
			b.hear(leave, nil, channel, messages, bounced, func(m *redis.Subscription) bool { return m.Kind == "unsubscribe" })
		}
		sub.Close()
		// What was read and not taken yet.
		b.hear(context.WithoutCancel(ctx), nil, channel, messages, bounced, func(*redis.Subscription) bool { return false })
	}()
	b.hear(ctx, b.handout.renew, channel, messages, bounced, func(*redis.Subscription) bool {
		if b.handout.current() == channel {
			return true // on another connection
		}
		b.handout.listenOn(channel)
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

// received takes a job that was handed over. One that there is no slot for, or that has been long on its way, goes back at once.
func (b *broker) received(ctx context.Context, channel, delivery string, bounced *sync.WaitGroup) {
	c, err := parseDelivery(delivery)
	h := b.handout
	b.mu.Lock()
	h.mu.Lock()
	if channel == h.channel {
		h.heard++
		h.coming = time.Time{}
	}
	welcome := err == nil && b.busy-b.finishing < b.slots && !b.park.stopping() && time.Since(c.started.Add(-b.ahead)) < staleDelivery
	if welcome {
		b.busy++
		h.claims = append(h.claims, c)
	}
	h.mu.Unlock()
	b.mu.Unlock()
	switch {
	case welcome:
		h.tell()
	case err != nil:
		b.log.Error("a job came in an unknown form; it comes back when its lease ends", "error", err)
	default:
		c.idle = true // it has never had a slot
		bounced.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), blockMargin)
			defer cancel()
			if err := b.returned(ctx, c); err != nil {
				b.log.Warn("a job that could not be begun comes back when its lease ends", "job", c.id, "error", err)
			}
		})
	}
}

// leaveHandout gives back what this worker was handed and has not begun, when it receives no more.
func (b *broker) leaveHandout(ctx context.Context) error {
	var errs []error
	for c := b.handout.take(); c != nil; c = b.handout.take() {
		errs = append(errs, b.returned(ctx, c))
	}
	return errors.Join(errs...)
}

// unlist takes a channel off the list. What is left there of a worker that could not do so goes with the first job that nobody hears of.
func (b *broker) unlist(ctx context.Context, channel string) error {
	pipe := b.UniversalClient.Pipeline()
	pipe.ZRem(ctx, globalFree, channel)
	pipe.Del(ctx, channel)
	_, err := pipe.Exec(ctx)
	return err
}

// parseDelivery reads what submit.lua publishes: the sizes of six parts, a line, and the parts.
func parseDelivery(text string) (*claim, error) {
	header, rest, _ := strings.Cut(text, "\n")
	var parts []string
	for size := range strings.SplitSeq(header, " ") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 || n > len(rest) {
			return nil, fmt.Errorf("delivery: sizes %.100q of %d bytes", header, len(text))
		}
		parts, rest = append(parts, rest[:n]), rest[n:]
	}
	if len(parts) != 6 || rest != "" {
		return nil, fmt.Errorf("delivery: %d parts and %d bytes", len(parts), len(rest))
	}
	created, err := moment(parts[3])
	if err != nil {
		return nil, fmt.Errorf("delivery: created: %w", err)
	}
	return &claim{
		msg: parts[0], id: parts[1], pending: parts[2], created: created, started: created, request: parts[4], client: parts[5],
		attempt: 1, obtained: time.Now(),
	}, nil
}
