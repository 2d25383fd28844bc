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
				h.findWanted(ctx)
			}
		}
	}
}

// findWanted reads in the records of the running jobs which are to be stopped or shown: the net beneath the channels.
func (h *handler) findWanted(ctx context.Context) {
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
	asked := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		l, _ := laneOf(id)
		asked[i] = pipe.HMGet(ctx, l.record(id), "cancel", "live")
	}
	if err := execute(ctx, pipe); err != nil {
		return // the next look is in three seconds
	}
	for i, id := range ids {
		wanted := asked[i].Val()
		if len(wanted) < 2 {
			continue // the key is not a record's
		}
		if wanted[0] != nil {
			h.cancel(id)
		}
		if wanted[1] != nil {
			h.watch(id)
		}
	}
}
