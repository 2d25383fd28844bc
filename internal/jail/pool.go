package jail

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"safepy/internal/crew"
)

// ErrClosed is returned by Run once Close has been called.
var ErrClosed = errors.New("jail: the pool is closed")

// Pool keeps warm jails and runs jobs in them.
type Pool struct {
	config Config
	plan   *plan
	log    *slog.Logger
	// slots bounds the jobs that run at once.
	slots chan struct{}
	// plain serves scripts that mention no preloaded library, loaded those that do; they are the same when nothing is preloaded.
	plain, loaded *rack
	texts         *texts // the pool's own, to be closed with it

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // what starts and closes jails
	// successions bounds how many jails are started at a time in the place of others that still serve.
	successions chan struct{}
	crew        *crew.Crew
	mu          sync.Mutex
	closed      bool
}

// Open starts a pool and returns when every slot is warm.
func Open(ctx context.Context, c Config) (*Pool, error) {
	c = c.withDefaults()
	plan, err := newPlan(c)
	if err != nil {
		return nil, err
	}
	warnOfRefusals(c.Logger)
	plan.texts = newTexts(c.Logger)
	p, err := openAs(ctx, c, plan)
	if err != nil {
		plan.texts.close()
		return nil, err
	}
	p.texts = plan.texts
	return p, nil
}

// slotsPerSuccession is how many slots there are to each jail that is started while all others serve. Four that run pandas jobs all the time
// use up a jail of JAIL_MAX_JOBS in about 4 s, and a start that gives way to them takes as long.
const slotsPerSuccession = 4

func openAs(ctx context.Context, c Config, plan *plan) (*Pool, error) {
	p := &Pool{
		config: c, plan: plan, log: c.Logger, slots: make(chan struct{}, c.Slots), crew: crew.New(),
		successions: make(chan struct{}, (c.Slots+slotsPerSuccession-1)/slotsPerSuccession),
	}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	plan.study = !p.usedOnce()
	p.loaded = newRack(p, c.Preload)
	p.plain = p.loaded
	if len(c.Preload) > 0 {
		p.plain = newRack(p, nil)
	}
	if err := p.fill(); err != nil {
		p.Close()
		return nil, err
	}
	p.log.Info("jails are warm", "backend", plan.backend, "isolation", plan.level, "slots", c.Slots, "versions", p.Versions(),
		"pinned_pages", p.loaded.idle[0].pinned, "shared_code_mb", p.loaded.idle[0].shared*hugePage>>20)
	return p, nil
}

// fill starts every jail, as many at a time as there are slots.
func (p *Pool) fill() error {
	failures := make(chan error, p.loaded.size+p.plain.size)
	var starts sync.WaitGroup
	for _, r := range p.racks() {
		r.fill(&starts, failures)
	}
	starts.Wait()
	close(failures)
	return <-failures
}

func (p *Pool) racks() []*rack {
	if p.plain == p.loaded {
		return []*rack{p.loaded}
	}
	return []*rack{p.loaded, p.plain}
}

// Run runs one script. It waits for a free slot; the error is ctx's, ErrClosed, or the host's own inability to run jails.
// When ctx ends while the script runs, the script is killed and its output so far is in the Outcome.
func (p *Pool) Run(ctx context.Context, j Job) (Outcome, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	case <-p.ctx.Done():
		return Outcome{}, ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	r := p.rackFor(j.Script)
	outcome, err := r.run(ctx, j)
	if errors.Is(err, errLost) {
		p.log.Warn("a jail was lost under a job, which runs again in another", "error", err)
		outcome, err = r.run(ctx, j)
	}
	if err != nil && p.ctx.Err() != nil {
		return outcome, ErrClosed
	}
	return outcome, err
}

// usedOnce reports whether every jail serves a single job.
func (p *Pool) usedOnce() bool { return p.plan.level == Process || p.config.MaxJobs == 1 }

// largeModules are words for what the standard library has that is too large for the small server: _LARGE of server.py.
var largeModules = []string{"async", "hashlib"}

// rackFor chooses by the script's text: forking is cheaper where less is loaded. A script that finds its way to a library that
// it does not mention just pays for the import.
func (p *Pool) rackFor(script string) *rack {
	mentioned := func(name string) bool { return strings.Contains(script, name) }
	if slices.ContainsFunc(p.config.Preload, mentioned) || slices.ContainsFunc(largeModules, mentioned) {
		return p.loaded
	}
	return p.plain
}

// Versions are Python's and the preloaded libraries'.
func (p *Pool) Versions() map[string]string {
	p.loaded.mu.Lock()
	defer p.loaded.mu.Unlock()
	return p.loaded.versions
}

// Isolation is the level that the pool's jails have.
func (p *Pool) Isolation() Level { return p.plan.level }

// Backend is the program that builds the pool's jails.
func (p *Pool) Backend() Backend { return p.plan.backend }

// Close ends every jail, running jobs included, and waits until nothing of them is left. It may be called more than once.
func (p *Pool) Close() {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	if !first {
		return
	}
	for range cap(p.slots) {
		p.slots <- struct{}{} // running jobs have seen ctx end
	}
	p.work.Wait()
	p.crew.Close()
	for _, r := range p.racks() {
		r.closeIdle()
	}
	p.plan.cgroups.close()
	p.texts.close()
}

// background runs f and reports true, unless the pool is closing; Close waits for it.
func (p *Pool) background(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.work.Add(1)
	p.crew.Go(func() {
		defer p.work.Done()
		f()
	})
	return true
}
