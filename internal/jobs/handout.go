package jobs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// maxHanded is the longest request, in bytes, that is handed to a worker; longer ones it takes itself. A client of Redis that does not
// keep up with what is published is cut off at 8 MB.
const maxHanded = 64 << 10

// handout is how a worker that waits gets jobs without asking for them. A look that leaves the queues empty puts the worker, with the
// number of its free slots, among those with free slots; from then on whoever submits a job publishes it to one of them, as a job that
// runs, and counts one slot less; and whoever finishes one counts one more. That spares a token on the bell and the look behind it. The
// first job that finds no free slot empties the list, and everybody looks again when he has one.
//
// The list may be wrong: a worker may be gone, or Redis may have lost it. Then jobs wait in their queues with a token on the bell, as they
// do on a cluster, where no script sees the list and the queues together.
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
	coming  time.Time // since when jobs have been on their way that have not come; zero, when they have
	sure    bool      // that it is in the list: since its last look no job has had to wait
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
	h.coming = time.Time{}
	return c
}

func (h *handout) isSure() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sure
}

// listed is told by an answer of Redis that a channel is in the list now; it may be the worker's no more.
func (h *handout) listed(channel string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sure = channel != "" && channel == h.channel
}

// unsure is told that the worker is not in the list, or not with all of its slots.
func (h *handout) unsure() {
	h.mu.Lock()
	changed := h.sure
	h.sure = false
	h.mu.Unlock()
	if changed {
		h.tell()
	}
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

// isComing is told when Redis says that jobs are on their way. What takes longer than a blocked command would has been lost.
func (h *handout) isComing() {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.coming.IsZero():
		h.coming = time.Now()
	case time.Since(h.coming) > blockMargin:
		select {
		case h.renew <- struct{}{}:
		default:
		}
	}
}

// receive takes what is handed over until ctx ends. A channel is good for one connection: what was said while there was none has been
// said to nobody, and how many jobs are on their way could not be told any more.
func (b *broker) receive(ctx context.Context) {
	if b.layout.cluster {
		return
	}
	wanted := newWorkerChannel()
	sub := b.Subscribe(ctx, wanted)
	defer sub.Close()
	messages := sub.ChannelWithSubscriptions(redis.WithChannelSize(256))
	another := func() {
		former := wanted
		wanted = newWorkerChannel()
		b.handout.listenOn("")
		// What fails here is tried again with the next connection.
		_ = sub.Subscribe(ctx, wanted)
		_ = sub.Unsubscribe(ctx, former)
		_ = b.unlist(ctx, former)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.handout.renew:
			another()
		case m, ok := <-messages:
			if !ok {
				return
			}
			switch m := m.(type) {
			case *redis.Message:
				b.received(ctx, m.Channel, m.Payload)
			case *redis.Subscription:
				switch {
				case m.Kind != "subscribe" || m.Channel != wanted:
				case b.handout.current() == wanted: // once more, on a new connection
					another()
				default:
					b.handout.listenOn(wanted)
				}
			}
		}
	}
}

func newWorkerChannel() string { return "safepy:worker:" + uuid.NewString() }

func (h *handout) current() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.channel
}

func (b *broker) received(ctx context.Context, channel, delivery string) {
	c, err := parseDelivery(delivery)
	h := b.handout
	b.mu.Lock()
	h.mu.Lock()
	if channel == h.channel {
		h.heard++
	}
	welcome := err == nil && b.busy-b.finishing < b.slots && !b.park.stopping()
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
		if err := b.release(ctx, c.pending, c.id, asUnbegun, 0, "", ""); err != nil {
			b.log.Warn("a job that came while every slot was taken comes back when its lease ends", "job", c.id, "error", err)
		}
		b.wasFinished(c.id)
	}
}

// leaveHandout has nothing more handed to this worker, and gives back what it was handed and has not begun.
func (b *broker) leaveHandout(ctx context.Context) error {
	channel := b.handout.current()
	if channel == "" {
		return nil
	}
	err := b.unlist(ctx, channel)
	for c := b.handout.take(); c != nil; c = b.handout.take() {
		if e := b.returned(ctx, c); err == nil {
			err = e
		}
	}
	return err
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
	created, err := micros(parts[3])
	if err != nil || created == nil {
		return nil, fmt.Errorf("delivery: created %.100q", parts[3])
	}
	return &claim{
		msg: parts[0], id: parts[1], pending: parts[2], created: *created, started: *created, request: parts[4], client: parts[5],
		attempt: 1, obtained: time.Now(),
	}, nil
}
