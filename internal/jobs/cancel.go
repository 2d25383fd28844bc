package jobs

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// activeRun is a job that runs here, how to end it, and who watches.
type activeRun struct {
	claim *claim
	end   context.CancelCauseFunc
	live  liveOutput
}

func (h *handler) began(c *claim, end context.CancelCauseFunc) *activeRun {
	r := &activeRun{claim: c, end: end, live: liveOutput{handler: h}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[c.id] = r
	return r
}

func (h *handler) ended(c *claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.running[c.id]; r != nil && r.claim == c {
		delete(h.running, c.id)
	}
}

func (h *handler) cancel(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.running[id]; r != nil {
		r.end(errCanceled)
	}
}

// watch has a running job's output be seen.
func (h *handler) watch(id string) {
	h.mu.Lock()
	r := h.running[id]
	h.mu.Unlock()
	if r != nil {
		r.watch()
	}
}

// listen waits for jobs to cancel, and to show. What was said while it did not listen stands in the records.
func (h *handler) listen(ctx context.Context) {
	sub := h.broker.Subscribe(ctx, cancelChannel, watchChannel)
	defer sub.Close()
	messages := sub.ChannelWithSubscriptions(redis.WithChannelSize(256))
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			switch m := m.(type) {
			case *redis.Message:
				if m.Channel == watchChannel {
					h.watch(m.Payload)
				} else {
					h.cancel(m.Payload)
				}
			case *redis.Subscription:
				h.findCanceled(ctx)
			}
		}
	}
}

// findCanceled reads the records of the running jobs: the net beneath the channel.
func (h *handler) findCanceled(ctx context.Context) {
	h.mu.Lock()
	ids := make([]string, 0, len(h.running))
	for id := range h.running {
		ids = append(ids, id)
	}
	h.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	pipe := h.broker.Pipeline()
	asked := make([]*redis.BoolCmd, len(ids))
	for i, id := range ids {
		l, _ := laneOf(id)
		asked[i] = pipe.HExists(ctx, l.record(id), "cancel")
	}
	if err := execute(ctx, pipe); err != nil {
		return // the next look is in three seconds
	}
	for i, id := range ids {
		if asked[i].Val() {
			h.cancel(id)
		}
	}
}
