package api

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// places are those for large bodies: what bounds the memory that they take. No client has more of them than it leaves free, so that
// one alone has half at most and there is always one for another. When all are taken, by many clients who take their time, one who has
// none and waits takes the place of the slowest.
type places struct {
	mu   sync.Mutex
	free int
	// taken are the places that each client has.
	taken map[string]int
	// coming are those whose bodies are not there yet.
	coming map[*place]bool
	// changed is closed, and made anew, when a place is given back.
	changed chan struct{}
}

// place is one of the places, and how its body comes along.
type place struct {
	client string
	since  time.Time
	came   atomic.Int64
	// leave ends the wait for more of the body.
	leave   func()
	evicted atomic.Bool
}

const (
	// pressed is how long a client without a place waits before somebody slow must leave his.
	pressed = 250 * time.Millisecond
	// pressedRate is what a body must come with to keep its place then, in bytes a second.
	pressedRate = 1 << 20
)

func newPlaces(n int) *places {
	return &places{free: n, taken: map[string]int{}, coming: map[*place]bool{}, changed: make(chan struct{})}
}

// take waits for a place for as long as ctx allows; nil says that there was none. leave may be called from any goroutine until settle
// returns.
func (p *places) take(ctx context.Context, client string, leave func()) *place {
	push := time.NewTimer(pressed)
	defer push.Stop()
	for {
		got, changed := p.try(client, leave)
		if got != nil {
			return got
		}
		select {
		case <-changed:
		case <-push.C:
			p.press(client)
			push.Reset(pressed)
		case <-ctx.Done():
			return nil
		}
	}
}

// try returns a place, or what tells that it is worth another try.
func (p *places) try(client string, leave func()) (*place, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[client] >= p.free {
		return nil, p.changed
	}
	got := &place{client: client, since: time.Now(), leave: leave}
	p.free--
	p.taken[client]++
	p.coming[got] = true
	return got, nil
}

// press has the slowest leave, for a client that has no place.
func (p *places) press(client string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[client] > 0 || p.free > 0 {
		return
	}
	now := time.Now()
	var slowest *place
	least := float64(pressedRate)
	for h := range p.coming {
		if age := now.Sub(h.since); age >= pressed && !h.evicted.Load() {
			if rate := float64(h.came.Load()) / age.Seconds(); rate < least {
				slowest, least = h, rate
			}
		}
	}
	if slowest != nil {
		slowest.evicted.Store(true)
		slowest.leave()
	}
}

// settle says that nothing more is to come to a place: nobody has it leave any more.
func (p *places) settle(h *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.coming, h)
}

// give takes a place back.
func (p *places) give(h *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free++
	if p.taken[h.client]--; p.taken[h.client] == 0 {
		delete(p.taken, h.client)
	}
	delete(p.coming, h)
	close(p.changed)
	p.changed = make(chan struct{})
}
