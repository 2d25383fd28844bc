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

// warmPool holds the warm jails of one flavour.
type warmPool struct {
	pool    *Pool
	preload preload
	// size is how many there are at least, most how many a crowd of jobs may bring about.
	size, most int
	// growing says that jails are started on demand, and let go when nobody wants them any more.
	growing bool
	// ready has one value for each jail in idle.
	ready chan struct{}

	mu   sync.Mutex
	idle []*warmJail
	// count is how many there are, being started or in use included; leastIdle how few were idle since the last look.
	count, leastIdle int
	lastUse          time.Time // where jails are started on demand
	versions         map[string]string
	// loaded has the first names of the modules that its jails have loaded, but for the standard library's.
	loaded   map[string]bool
	workload workload
}

// warmJail is a jail as its pool knows it. All but life is guarded by the pool's mu; a jail that is in use has one user, who may read
// retiring without.
type warmJail struct {
	*server
	// life is the part of Config.MaxJobs and Config.MaxAge after which it retires.
	life float64
	// retiring is set once a successor has been asked for; successor is that one when it is warm.
	retiring  bool
	successor *warmJail
	// dropped is set when something else has taken its place before.
	dropped bool
	// spent says that it serves no more, warm successor or not.
	spent bool
}

// over reports whether the jail's time is over.
func (v *warmJail) over(c Config) bool {
	return float64(v.served) >= v.life*float64(c.MaxJobs) || float64(time.Since(v.started)) >= v.life*float64(c.MaxAge) || v.grown()
}

func newWarmPool(p *Pool, wanted preload) *warmPool {
	size := p.config.Slots + p.config.Spare
	if p.usedOnce() {
		size = 2 * p.config.Slots // the next jail stands beside each that is in use
	}
	return warmPoolOf(p, wanted, size, size)
}

// newWarmPoolOnDemand has one jail at all times, since the libraries that few scripts use take much memory, and up to one for each slot.
func newWarmPoolOnDemand(p *Pool, wanted preload) *warmPool {
	size := 1
	if p.usedOnce() {
		size = 2
	}
	w := warmPoolOf(p, wanted, size, max(size, p.config.Slots))
	w.growing = true
	return w
}

func warmPoolOf(p *Pool, wanted preload, size, most int) *warmPool {
	return &warmPool{pool: p, preload: wanted, size: size, most: most, count: size, lastUse: time.Now(), ready: make(chan struct{}, most),
		workload: newWorkload()}
}

func (w *warmPool) onDemand() bool { return w.growing }

// has reports whether the pool's jails have loaded all of these modules.
func (w *warmPool) has(modules []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(modules, func(name string) bool { return !w.loaded[name] })
}

// fill starts every jail; each says how that went. They retire one by one: the first ones served alike, and would all start anew at the
// same time.
func (w *warmPool) fill(starts *sync.WaitGroup, failures chan<- error) {
	for i := range w.size {
		starts.Go(func() {
			v, err := w.start(false)
			if err != nil {
				failures <- err
				return
			}
			v.life = 1 - float64(i)/float64(w.size)
			w.put(v)
		})
	}
}

func (w *warmPool) start(lowPriority bool) (*warmJail, error) {
	w.mu.Lock()
	dataFrames := w.workload.dataFrames
	w.mu.Unlock()
	v, err := w.pool.plan.start(wanted{preload: w.preload.names, optional: w.preload.optional, dataFrames: dataFrames,
		lowPriority: lowPriority})
	if err != nil {
		return nil, fmt.Errorf("start jail: %w", err)
	}
	w.pool.sayUnloaded(v.unloaded)
	w.mu.Lock()
	w.versions, w.loaded = v.versions, v.loaded
	w.mu.Unlock()
	return &warmJail{server: v, life: 1}, nil
}

// run takes the jail that has been idle for longest, since its next child is the best rehearsed.
func (w *warmPool) run(ctx context.Context, j Job) (Outcome, error) {
	w.mu.Lock()
	w.workload.add(strings.Contains(j.Script, dataFramesLibrary))
	w.mu.Unlock()
	v, err := w.take(ctx)
	if err != nil {
		return Outcome{}, err
	}
	outcome, reap, err := v.run(ctx, j)
	if err != nil {
		w.replaceNow(v, err.Error())
		return outcome, err
	}
	finish := func() {
		if reap != nil {
			if err := reap(); err != nil {
				w.replaceNow(v, err.Error())
				return
			}
		}
		w.giveBack(v)
	}
	if !w.pool.background(finish) { // the answer need not wait for what comes after it
		finish()
	}
	return outcome, nil
}

func (w *warmPool) take(ctx context.Context) (*warmJail, error) {
	var crowded <-chan time.Time
	if w.onDemand() {
		crowded = time.After(w.patience())
	}
	for {
		select {
		case <-w.ready:
		case <-crowded:
			w.grow()
			continue
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		w.mu.Lock()
		v := w.idle[0]
		w.idle = w.idle[1:]
		w.leastIdle = min(w.leastIdle, len(w.idle))
		w.mu.Unlock()
		if v.alive() {
			return v, nil
		}
		w.replaceNow(v, "it died while idle")
	}
}

// crowdedAfter is how long a job waits before one more jail is started: a job that follows right behind another gets its jail in less.
// It then has that one or the first that comes free. To import the libraries itself, in a jail without them, would take it as long.
const crowdedAfter = 250 * time.Millisecond

// patience is none where there is no jail to wait for.
func (w *warmPool) patience() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastUse = time.Now()
	if w.count == 0 {
		return 0
	}
	return crowdedAfter
}

// grow starts one more jail, unless there are as many as there may be.
func (w *warmPool) grow() {
	w.mu.Lock()
	full := w.count >= w.most
	if !full {
		w.count++
	}
	w.mu.Unlock()
	if full {
		return
	}
	w.pool.background(func() {
		if v := w.startAgain(false); v != nil {
			w.put(v)
		}
	})
}

// crowdGone is how long a jail beyond the pool's size must not have been needed to be let go, at least; unused how long nobody must have
// wanted any to let all of them go. The next job then waits for one to start.
const crowdGone, unused = 5 * time.Minute, time.Hour

// retireIdle lets go of as many jails as were idle all the time since it was last called, but for the pool's size.
func (w *warmPool) retireIdle(now time.Time) {
	w.mu.Lock()
	least := w.size
	if now.Sub(w.lastUse) >= unused {
		least = 0
	}
	unwanted := min(w.leastIdle, w.count-least)
	var retired []*warmJail
	for range unwanted {
		select {
		case <-w.ready:
			last := len(w.idle) - 1
			retired = append(retired, w.idle[last])
			w.idle = w.idle[:last]
			w.count--
		default: // somebody is about to take it
		}
	}
	w.leastIdle = len(w.idle)
	for _, v := range retired {
		v.dropped = true // its successor, if one is being started, is not wanted either
	}
	w.mu.Unlock()
	for _, v := range retired {
		if v.successor != nil {
			w.discard(v.successor)
		}
		w.discard(v)
	}
}

func (w *warmPool) put(v *warmJail) {
	w.mu.Lock()
	w.idle = append(w.idle, v)
	w.mu.Unlock()
	w.ready <- struct{}{}
}

// mostOver is how many times JAIL_MAX_JOBS a jail serves whose successor is not warm yet. After that jobs wait.
const mostOver = 2

// giveBack makes the jail ready for its next job, or lets it go when its time is over and its successor is warm.
func (w *warmPool) giveBack(v *warmJail) {
	if w.pool.usedOnce() {
		w.replaceNow(v, "")
		return
	}
	w.mu.Lock()
	successor, dataFrames := v.successor, w.workload.dataFrames
	v.spent = successor == nil && v.retiring && v.served >= mostOver*w.pool.config.MaxJobs
	w.mu.Unlock()
	switch {
	case successor != nil:
		w.discard(v)
		w.put(successor)
		return
	case v.spent:
		w.discard(v) // its successor comes by itself
		return
	}
	if err := errors.Join(v.expect(dataFrames), v.prepare()); err != nil {
		w.replaceNow(v, err.Error())
		return
	}
	if !v.retiring && v.over(w.pool.config) {
		v.retiring = true
		w.pool.background(func() { w.replaceWhileServing(v) })
	}
	w.put(v)
}

// replaceWhileServing starts a jail in the place of v, which goes on serving until that one is warm. With libraries that takes a second of
// a processor, which the jobs want, too: so few are started at a time, and at low priority.
func (w *warmPool) replaceWhileServing(v *warmJail) {
	select {
	case w.pool.replacements <- struct{}{}:
		defer func() { <-w.pool.replacements }()
	case <-w.pool.ctx.Done():
		return
	}
	w.mu.Lock()
	dropped, spent := v.dropped, v.spent
	w.mu.Unlock()
	if dropped {
		return // it did not live to see its turn
	}
	successor := w.startAgain(!spent)
	if successor == nil {
		return
	}
	var unwanted, awaited *warmJail
	w.mu.Lock()
	switch i := slices.Index(w.idle, v); {
	case i >= 0:
		w.idle[i], unwanted = successor, v
	case v.dropped:
		unwanted = successor // v did not live to see it, and has been replaced by another
	case v.spent:
		awaited = successor
	default:
		v.successor = successor // v is at work; giveBack will see it
	}
	w.mu.Unlock()
	switch {
	case unwanted != nil:
		w.discard(unwanted)
	case awaited != nil:
		w.put(awaited)
	}
}

// replaceNow ends a jail that is no longer wanted and puts a new one in its place, while nobody waits for either.
func (w *warmPool) replaceNow(v *warmJail, why string) {
	if why != "" {
		w.pool.log.Warn("a jail is replaced", "because", why, "jobs", v.served)
	}
	w.mu.Lock()
	successor := v.successor
	v.dropped = true
	w.mu.Unlock()
	w.discard(v)
	if successor != nil {
		w.put(successor)
		return
	}
	w.pool.background(func() {
		if successor := w.startAgain(false); successor != nil {
			w.put(successor)
		}
	})
}

// startAgain starts a jail, trying until it works: without it a slot would be gone for good. It returns nil when the pool closes.
func (w *warmPool) startAgain(lowPriority bool) *warmJail {
	for wait := 100 * time.Millisecond; w.pool.ctx.Err() == nil; wait = min(2*wait, 30*time.Second) {
		v, err := w.start(lowPriority)
		if err == nil {
			return v
		}
		w.pool.log.Error("a jail does not start", "error", err, "again_in", wait)
		select {
		case <-time.After(wait):
		case <-w.pool.ctx.Done():
		}
	}
	return nil
}

func (w *warmPool) discard(v *warmJail) {
	if !w.pool.background(v.close) {
		v.close()
	}
}

// closeIdle ends the jails that are left when the pool closes.
func (w *warmPool) closeIdle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.idle {
		if v.successor != nil {
			v.successor.close()
		}
		v.close()
	}
	w.idle = nil
}
