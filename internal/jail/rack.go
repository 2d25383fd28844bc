package jail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// rack holds the warm jails of one kind.
type rack struct {
	pool    *Pool
	preload []string
	size    int
	// ready has one value for each jail in idle.
	ready chan struct{}

	mu       sync.Mutex
	idle     []*server
	versions map[string]string
	mix      mix
}

func newRack(p *Pool, preload []string) *rack {
	size := p.config.Slots + p.config.Spare
	if p.usedOnce() {
		size = 2 * p.config.Slots // the next jail stands beside each that is in use
	}
	return &rack{pool: p, preload: preload, size: size, ready: make(chan struct{}, size), mix: newMix()}
}

// fill starts every jail; each says how that went. They retire one by one: the first ones served alike, and would all start anew at the
// same time.
func (r *rack) fill(starts *sync.WaitGroup, failures chan<- error) {
	for i := range r.size {
		starts.Go(func() {
			v, err := r.start(false)
			if err != nil {
				failures <- err
				return
			}
			v.life = 1 - float64(i)/float64(r.size)
			r.put(v)
		})
	}
}

func (r *rack) start(givesWay bool) (*server, error) {
	r.mu.Lock()
	frames := r.mix.frames
	r.mu.Unlock()
	v, err := r.pool.plan.start(wanted{preload: r.preload, frames: frames, givesWay: givesWay})
	if err != nil {
		return nil, fmt.Errorf("start jail: %w", err)
	}
	r.mu.Lock()
	r.versions = v.versions
	r.mu.Unlock()
	return v, nil
}

// run takes the jail that has been idle for longest, since its next child is the best rehearsed.
func (r *rack) run(ctx context.Context, j Job) (Outcome, error) {
	r.mu.Lock()
	r.mix.add(strings.Contains(j.Script, framesLibrary))
	r.mu.Unlock()
	v, err := r.take(ctx)
	if err != nil {
		return Outcome{}, err
	}
	outcome, settle, err := v.run(ctx, j)
	if err != nil {
		r.replace(v, err.Error())
		return outcome, err
	}
	finish := func() {
		if settle != nil {
			if err := settle(); err != nil {
				r.replace(v, err.Error())
				return
			}
		}
		r.giveBack(v)
	}
	if !r.pool.background(finish) { // the answer need not wait for what comes after it
		finish()
	}
	return outcome, nil
}

func (r *rack) take(ctx context.Context) (*server, error) {
	for {
		select {
		case <-r.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		r.mu.Lock()
		v := r.idle[0]
		r.idle = r.idle[1:]
		r.mu.Unlock()
		if v.alive() {
			return v, nil
		}
		r.replace(v, "it died while idle")
	}
}

func (r *rack) put(v *server) {
	r.mu.Lock()
	r.idle = append(r.idle, v)
	r.mu.Unlock()
	r.ready <- struct{}{}
}

// mostOver is how many times JAIL_MAX_JOBS a jail serves whose successor is not warm yet. After that jobs wait.
const mostOver = 2

// giveBack makes the jail ready for its next job, or lets it go when its time is over and its successor is warm.
func (r *rack) giveBack(v *server) {
	if r.pool.usedOnce() {
		r.replace(v, "")
		return
	}
	r.mu.Lock()
	successor, frames := v.successor, r.mix.frames
	v.spent = successor == nil && v.retiring && v.served >= mostOver*r.pool.config.MaxJobs
	r.mu.Unlock()
	switch {
	case successor != nil:
		r.discard(v)
		r.put(successor)
		return
	case v.spent:
		r.discard(v) // its successor comes by itself
		return
	}
	if err := errors.Join(v.expect(frames), v.prepare()); err != nil {
		r.replace(v, err.Error())
		return
	}
	if !v.retiring && v.over(r.pool.config) {
		v.retiring = true
		r.pool.background(func() { r.succeed(v) })
	}
	r.put(v)
}

// succeed starts a jail in the place of v, which goes on serving until that one is warm. With libraries that takes a second of a processor,
// which the jobs want, too: so few are started at a time, and they give way.
func (r *rack) succeed(v *server) {
	select {
	case r.pool.successions <- struct{}{}:
		defer func() { <-r.pool.successions }()
	case <-r.pool.ctx.Done():
		return
	}
	r.mu.Lock()
	replaced, spent := v.replaced, v.spent
	r.mu.Unlock()
	if replaced {
		return // it did not live to see its turn
	}
	successor := r.startAgain(!spent)
	if successor == nil {
		return
	}
	var unwanted, awaited *server
	r.mu.Lock()
	switch i := slices.Index(r.idle, v); {
	case i >= 0:
		r.idle[i], unwanted = successor, v
	case v.replaced:
		unwanted = successor // v did not live to see it, and has been replaced by another
	case v.spent:
		awaited = successor
	default:
		v.successor = successor // v is at work; giveBack will see it
	}
	r.mu.Unlock()
	switch {
	case unwanted != nil:
		r.discard(unwanted)
	case awaited != nil:
		r.put(awaited)
	}
}

// replace ends a jail that is no longer wanted and puts a new one in its place, while nobody waits for either.
func (r *rack) replace(v *server, why string) {
	if why != "" {
		r.pool.log.Warn("a jail is replaced", "because", why, "jobs", v.served)
	}
	r.mu.Lock()
	successor := v.successor
	v.replaced = true
	r.mu.Unlock()
	r.discard(v)
	if successor != nil {
		r.put(successor)
		return
	}
	r.pool.background(func() {
		if successor := r.startAgain(false); successor != nil {
			r.put(successor)
		}
	})
}

// startAgain starts a jail, trying until it works: without it a slot would be gone for good. It returns nil when the pool closes.
func (r *rack) startAgain(givesWay bool) *server {
	for wait := 100 * time.Millisecond; r.pool.ctx.Err() == nil; wait = min(2*wait, 30*time.Second) {
		v, err := r.start(givesWay)
		if err == nil {
			return v
		}
		r.pool.log.Error("a jail does not start", "error", err, "again_in", wait)
		select {
		case <-time.After(wait):
		case <-r.pool.ctx.Done():
		}
	}
	return nil
}

func (r *rack) discard(v *server) {
	if !r.pool.background(v.close) {
		v.close()
	}
}

// closeIdle ends the jails that are left when the pool closes.
func (r *rack) closeIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.idle {
		if v.successor != nil {
			v.successor.close()
		}
		v.close()
	}
	r.idle = nil
}
