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
	preload preload
	// size is how many there are at least, most how many a crowd of jobs may bring about.
	size, most int
	// growing says that jails are started on demand, and let go when nobody wants them any more.
	growing bool
	// ready has one value for each jail in idle.
	ready chan struct{}

	mu   sync.Mutex
	idle []*server
	// count is how many there are, being started or in use included; leastIdle how few were idle since the last look.
	count, leastIdle int
	lastUse          time.Time // where jails are started on demand
	versions         map[string]string
	// loaded has the first names of the modules that its jails have loaded, but for the standard library's.
	loaded map[string]bool
	mix    mix
}

func newRack(p *Pool, wanted preload) *rack {
	size := p.config.Slots + p.config.Spare
	if p.usedOnce() {
		size = 2 * p.config.Slots // the next jail stands beside each that is in use
	}
	return rackOf(p, wanted, size, size)
}

// newRackOnDemand has one jail at all times, since the libraries that few scripts use take much memory, and up to one for each slot.
func newRackOnDemand(p *Pool, wanted preload) *rack {
	size := 1
	if p.usedOnce() {
		size = 2
	}
	r := rackOf(p, wanted, size, max(size, p.config.Slots))
	r.growing = true
	return r
}

func rackOf(p *Pool, wanted preload, size, most int) *rack {
	return &rack{pool: p, preload: wanted, size: size, most: most, count: size, lastUse: time.Now(), ready: make(chan struct{}, most), mix: newMix()}
}

func (r *rack) onDemand() bool { return r.growing }

// has reports whether the rack's jails have loaded all of these modules.
func (r *rack) has(modules []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !slices.ContainsFunc(modules, func(name string) bool { return !r.loaded[name] })
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
	v, err := r.pool.plan.start(wanted{preload: r.preload.names, optional: r.preload.optional, frames: frames, givesWay: givesWay})
	if err != nil {
		return nil, fmt.Errorf("start jail: %w", err)
	}
	r.pool.sayUnloaded(v.unloaded)
	r.mu.Lock()
	r.versions, r.loaded = v.versions, v.loaded
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
	var crowded <-chan time.Time
	if r.onDemand() {
		crowded = time.After(r.patience())
	}
	for {
		select {
		case <-r.ready:
		case <-crowded:
			r.grow()
			continue
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		r.mu.Lock()
		v := r.idle[0]
		r.idle = r.idle[1:]
		r.leastIdle = min(r.leastIdle, len(r.idle))
		r.mu.Unlock()
		if v.alive() {
			return v, nil
		}
		r.replace(v, "it died while idle")
	}
}

// crowdedAfter is how long a job waits before one more jail is started: a job that follows right behind another gets its jail in less.
// It then has that one or the first that comes free. To import the libraries itself, in a jail without them, would take it as long.
const crowdedAfter = 250 * time.Millisecond

// patience is none where there is no jail to wait for.
func (r *rack) patience() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastUse = time.Now()
	if r.count == 0 {
		return 0
	}
	return crowdedAfter
}

// grow starts one more jail, unless there are as many as there may be.
func (r *rack) grow() {
	r.mu.Lock()
	full := r.count >= r.most
	if !full {
		r.count++
	}
	r.mu.Unlock()
	if full {
		return
	}
	r.pool.background(func() {
		if v := r.startAgain(false); v != nil {
			r.put(v)
		}
	})
}

// crowdGone is how long a jail beyond the rack's size must not have been needed to be let go, at least; unused how long nobody must have
// wanted any to let all of them go. The next job then waits for one to start.
const crowdGone, unused = 5 * time.Minute, time.Hour

// retireIdle lets go of as many jails as were idle all the time since it was last called, but for the rack's size.
func (r *rack) retireIdle(now time.Time) {
	r.mu.Lock()
	least := r.size
	if now.Sub(r.lastUse) >= unused {
		least = 0
	}
	unwanted := min(r.leastIdle, r.count-least)
	var retired []*server
	for range unwanted {
		select {
		case <-r.ready:
			last := len(r.idle) - 1
			retired = append(retired, r.idle[last])
			r.idle = r.idle[:last]
			r.count--
		default: // somebody is about to take it
		}
	}
	r.leastIdle = len(r.idle)
	for _, v := range retired {
		v.replaced = true // its successor, if one is being started, is not wanted either
	}
	r.mu.Unlock()
	for _, v := range retired {
		if v.successor != nil {
			r.discard(v.successor)
		}
		r.discard(v)
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
