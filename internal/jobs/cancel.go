package jobs

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// activeRun is a job that runs here, and how to end it.
type activeRun struct {
	claim *claim
	end   context.CancelCauseFunc
}

func (h *handler) began(c *claim, end context.CancelCauseFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[c.id] = &activeRun{claim: c, end: end}
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

// listen waits for jobs to cancel. What was said while it did not listen stands in the records.
func (h *handler) listen(ctx context.Context) {
	sub := h.broker.Subscribe(ctx, cancelChannel)
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
				h.cancel(m.Payload)
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
