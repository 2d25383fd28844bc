package jail

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"safepy/internal/gopool"
	"safepy/internal/jail/procfs"
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
	// plain serves scripts that reach no library, data those that reach what it has, full all others. Two are the same where the one
	// would have no more than the other.
	plain, data, full *warmPool
	textSegments      *textSegments // the pool's own, to be closed with it
	unloaded          sync.Once

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // what starts and closes jails
	// replacements bounds how many jails are started at a time in the place of others that still serve.
	replacements chan struct{}
	goroutines   *gopool.Pool
	mu           sync.Mutex
	closed       bool
}

// Open starts a pool and returns when every slot is warm.
func Open(ctx context.Context, c Config) (*Pool, error) {
	c = c.withDefaults()
	plan, err := newPlan(c)
	if err != nil {
		return nil, err
	}
	warnOfRefusals(c.Logger)
	plan.textSegments = newTextSegments(c.Logger)
	p, err := openAs(ctx, c, plan)
	if err != nil {
		plan.textSegments.close()
		return nil, err
	}
	p.textSegments = plan.textSegments
	return p, nil
}

// slotsPerReplacement is how many slots there are to each jail that is started while all others serve. Four that run pandas jobs all the
// time use up a jail of JAIL_MAX_JOBS in about 4 s, and a start at low priority beside them takes as long.
const slotsPerReplacement = 4

func openAs(ctx context.Context, c Config, plan *plan) (*Pool, error) {
	p := &Pool{
		config: c, plan: plan, log: c.Logger, slots: make(chan struct{}, c.Slots), goroutines: gopool.New(),
		replacements: make(chan struct{}, (c.Slots+slotsPerReplacement-1)/slotsPerReplacement),
	}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	plan.profile = !p.usedOnce() && c.For == nil
	p.makeFlavours()
	if err := p.fill(); err != nil {
		p.Close()
		return nil, err
	}
	if p.full.onDemand() {
		p.background(p.retireIdle)
	}
	p.log.Info("jails are warm", "backend", plan.backend, "isolation", plan.level, "slots", c.Slots, "versions", p.Versions(),
		"pinned_pages", p.data.idle[0].pinned, "shared_code_mb", p.data.idle[0].shared*procfs.HugePage>>20)
	return p, nil
}

// makeFlavours chooses the flavours: a warm pool for each that has something that the smaller ones do not.
func (p *Pool) makeFlavours() {
	all := p.plan.libraries.resolve(p.config.Preload)
	if len(all.missing) > 0 {
		p.log.Info("libraries that are not installed are not loaded ahead", "missing", all.missing)
	}
	p.plain = newWarmPool(p, preload{})
	p.data, p.full = p.plain, p.plain
	data := all.data()
	if p.config.For != nil {
		p.makeFlavourFor(*p.config.For, data, all)
		return
	}
	if len(data.names) > 0 {
		p.data = newWarmPool(p, data)
		p.full = p.data
	}
	if len(all.names) > len(data.names) {
		p.full = newWarmPoolOnDemand(p, all)
		if len(data.names) == 0 {
			p.full = newWarmPool(p, all)
			p.data = p.full
		}
	}
}

// makeFlavourFor makes one warm pool, of one jail, with what the job reaches: nothing, the data libraries, or all.
func (p *Pool) makeFlavourFor(j Job, data, all preload) {
	inData := func(modules []string) bool {
		return !slices.ContainsFunc(modules, func(name string) bool { return !slices.Contains(data.names, name) })
	}
	wanted := [...]preload{plain: {}, withData: data, full: all}[p.plan.libraries.reachOf(j).flavour(inData)]
	p.plain = warmPoolOf(p, wanted, 1, 1)
	p.data, p.full = p.plain, p.plain
}

// fill starts every jail, as many at a time as there are slots.
func (p *Pool) fill() error {
	pools := p.warmPools()
	failures := make(chan error, (len(pools)+1)*pools[0].size)
	var starts sync.WaitGroup
	for _, r := range pools {
		r.fill(&starts, failures)
	}
	starts.Wait()
	close(failures)
	return <-failures
}

func (p *Pool) warmPools() []*warmPool {
	return slices.Compact([]*warmPool{p.plain, p.data, p.full})
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
	r := p.warmPoolFor(&j)
	outcome, err := r.run(ctx, j)
	if errors.Is(err, errJailLost) {
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

// warmPoolFor chooses by what the job's text can reach, since forking is cheaper where less is loaded, and allows for the memory of what no
// jail has loaded. A script that finds its way to a library that its text does not show pays for the import.
func (p *Pool) warmPoolFor(j *Job) *warmPool {
	reach := p.plan.libraries.reachOf(*j)
	r := [...]*warmPool{plain: p.plain, withData: p.data, full: p.full}[reach.flavour(p.data.has)]
	if !r.has(reach.modules) {
		j.allowanceMB = importAllowanceMB
	}
	return r
}

// Versions are Python's and the preloaded libraries'.
func (p *Pool) Versions() map[string]string {
	p.full.mu.Lock()
	defer p.full.mu.Unlock()
	return p.full.versions
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
	p.goroutines.Close()
	for _, r := range p.warmPools() {
		r.closeIdle()
	}
	p.plan.cgroups.Close()
	p.textSegments.close()
}

// retireIdle lets jails go that were started for a crowd which has gone.
func (p *Pool) retireIdle() {
	tick := time.NewTicker(crowdGone)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			p.full.retireIdle(now)
		case <-p.ctx.Done():
			return
		}
	}
}

// sayUnloaded says once which libraries that were wished for do not load.
func (p *Pool) sayUnloaded(why map[string]string) {
	if len(why) > 0 {
		p.unloaded.Do(func() {
			p.log.Warn("libraries that are installed cannot be loaded ahead; name them in JAIL_PRELOAD to have that stop the start",
				"why", maps.Clone(why))
		})
	}
}

// background runs f and reports true, unless the pool is closing; Close waits for it.
func (p *Pool) background(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.work.Add(1)
	p.goroutines.Go(func() {
		defer p.work.Done()
		f()
	})
	return true
}
