package jobs

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// hub has one subscription for all jobs that are followed in this process, made with the first of them.
type hub struct {
	rdb redis.UniversalClient

	mu      sync.Mutex
	sub     *redis.PubSub
	done    chan struct{} // closed when nobody listens any more
	waiting map[string]map[chan struct{}]bool
	closed  bool
}

func newHub(rdb redis.UniversalClient) *hub {
	return &hub{rdb: rdb, waiting: map[string]map[chan struct{}]bool{}}
}

// join returns a channel that is told when something may have come for the name.
func (h *hub) join(ctx context.Context, name string) (told <-chan struct{}, leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, redis.ErrClosed
	}
	c := make(chan struct{}, 1)
	if h.sub == nil {
		h.sub, h.done = h.rdb.Subscribe(context.WithoutCancel(ctx)), make(chan struct{})
		go h.listen(h.sub.ChannelWithSubscriptions(redis.WithChannelSize(1024)), h.done)
	}
	if h.waiting[name] == nil {
		// An error is that of a connection that go-redis makes anew, with all names that it knows.
		_ = h.sub.Subscribe(ctx, name)
		h.waiting[name] = map[chan struct{}]bool{}
	}
	h.waiting[name][c] = true
	return c, func() { h.leave(name, c) }, nil
}

func (h *hub) leave(name string, c chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting[name], c)
	if len(h.waiting[name]) > 0 {
		return
	}
	delete(h.waiting, name)
	if h.sub != nil {
		_ = h.sub.Unsubscribe(context.Background(), name)
	}
}

func (h *hub) listen(messages <-chan any, done chan struct{}) {
	defer close(done)
	for m := range messages {
		var name string
		switch m := m.(type) {
		case *redis.Message:
			name = m.Channel
		case *redis.Subscription: // perhaps after a connection was lost: something may have been missed
			name = m.Channel
		}
		h.mu.Lock()
		for c := range h.waiting[name] {
			notify(c)
		}
		h.mu.Unlock()
	}
}

func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	sub, done := h.sub, h.done
	h.sub = nil
	h.mu.Unlock()
	if sub != nil {
		sub.Close()
		<-done
	}
}
