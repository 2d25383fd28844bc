package chaos

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"safepy/test/harness"
	"safepy/test/traffic"
)

// fault is one thing that happens to a service in use.
type fault struct {
	name  string
	begin func()
	// lasts is how long it stays like that before end mends it.
	lasts time.Duration
	end   func()
}

// recoverWithin bounds how long after a fault a new job may take: a lease of 30 s when its first worker got lost on the way, the
// sweep that notices, and the run.
const recoverWithin = 40 * time.Second

// testLoad breaks one thing after another under steady load.
func testLoad(t *testing.T) {
	t.Parallel()
	rounds, clients, rest := 1, 24, 100*time.Millisecond
	if *harness.Full {
		rounds, clients = 6, 32
	}
	s := newSite(t, 2, 4)
	ledger := &traffic.Ledger{Client: s.client, Pause: rest, Lasts: 300 * time.Millisecond}
	ctx, end := context.WithCancel(context.Background())
	var load sync.WaitGroup
	load.Go(func() { ledger.Load(ctx, clients) })
	stopLoad := func() {
		end()
		load.Wait()
	}
	defer stopLoad()

	slowest := time.Duration(0)
	for round := range rounds {
		slowest = max(slowest, s.round(t, round, ledger))
	}
	stopLoad()
	account := ledger.Settle(t, 2*recoverWithin)
	t.Logf("chaos: %s; after each fault a new job was done within %.1fs", account, slowest.Seconds())
	if account.Accepted < 200*rounds {
		t.Errorf("%d jobs are no load", account.Accepted)
	}
	if account.Twice == 0 {
		t.Error("no job ran twice: nothing was ever interrupted")
	}
	s.nothingLeft(t)
}

// beyondLease is how long a worker is paused for its jobs to be given to others. When it goes on it believes that they are its own.
const beyondLease = 36 * time.Second

// round lets everything happen once, beside one worker that is paused all the time, and returns the slowest recovery.
func (s *site) round(t *testing.T, round int, ledger *traffic.Ledger) (slowest time.Duration) {
	t.Helper()
	sleeper := s.workers[round%len(s.workers)]
	sleeper.Signal(syscall.SIGSTOP)
	defer sleeper.Signal(syscall.SIGCONT) // one that is left like this would not hear that the test has ended
	began := time.Now()
	for _, f := range s.faults(round) {
		slowest = max(slowest, s.suffer(t, f, ledger))
	}
	woken := fault{"worker paused for longer than its lease", func() {}, max(0, beyondLease-time.Since(began)), func() { sleeper.Signal(syscall.SIGCONT) }}
	return max(slowest, s.suffer(t, woken, ledger))
}

// faults are what happens in one round, to other processes in each.
func (s *site) faults(round int) []fault {
	a, b := s.apis[round%2], s.apis[(round+1)%2]
	w := func(i int) *part { return s.workers[(round+i)%len(s.workers)] } // 0 sleeps
	rdb := s.redis.Client(s.t)
	set := func(args ...any) func() {
		return func() {
			s.t.Helper()
			if err := rdb.Do(context.Background(), args...).Err(); err != nil {
				s.t.Errorf("%v: %v", args, err)
			}
		}
	}
	killed := func(p *part) fault {
		return fault{"kill -9 " + p.program, func() { p.Kill() }, 0, p.restart}
	}
	return []fault{
		killed(w(1)),
		killed(a),
		{"kill -9 redis", func() { s.redis.Kill() }, 0, func() { s.redis.Start() }},
		killed(w(2)),
		{"redis away", func() { s.redis.Kill() }, 3 * time.Second, func() { s.redis.Start() }},
		{"redis paused", func() { s.redis.Signal(syscall.SIGSTOP) }, 3 * time.Second, func() { s.redis.Signal(syscall.SIGCONT) }},
		{"api paused", func() { b.Signal(syscall.SIGSTOP) }, 3 * time.Second, func() { b.Signal(syscall.SIGCONT) }},
		{"worker paused", func() { w(3).Signal(syscall.SIGSTOP) }, 2 * time.Second, func() { w(3).Signal(syscall.SIGCONT) }},
		{"network of a worker cut", w(3).network.Cut, 3 * time.Second, w(3).network.Heal},
		{"network of a worker held up", w(3).network.Hold, 3 * time.Second, w(3).network.Heal},
		{"network of an api cut", a.network.Cut, 2 * time.Second, a.network.Heal},
		{"network of an api held up", b.network.Hold, 3 * time.Second, b.network.Heal},
		{"redis full", set("config", "set", "maxmemory", "1"), 3 * time.Second, set("config", "set", "maxmemory", "0")},
		{"redis read-only", set("replicaof", "127.0.0.1", "1"), 3 * time.Second, set("replicaof", "no", "one")},
		{"redis slow", func() { s.everywhere(func(p *harness.Proxy) { p.Slow(100 * time.Millisecond) }) }, 3 * time.Second,
			func() { s.everywhere((*harness.Proxy).Heal) }},
		{"worker stopped", func() { w(1).Stop() }, 0, func() { w(1).restart() }},
		{"api stopped", func() { a.Stop() }, 0, a.restart},
	}
}

// suffer lets a fault happen and returns how long after its end the service did a new job.
func (s *site) suffer(t *testing.T, f fault, ledger *traffic.Ledger) time.Duration {
	t.Helper()
	before := ledger.Accepted()
	f.begin()
	<-time.After(f.lasts)
	f.end()
	over := time.Now()
	patience, cancel := context.WithTimeout(context.Background(), recoverWithin)
	defer cancel()
	if !ledger.Works(patience) {
		t.Fatalf("after %s: no new job done within %s", f.name, recoverWithin)
	}
	took := time.Since(over)
	t.Logf("%-40s %5.1fs, then well again after %.2fs; %d jobs accepted meanwhile", f.name, f.lasts.Seconds(), took.Seconds(), ledger.Accepted()-before)
	return took
}
