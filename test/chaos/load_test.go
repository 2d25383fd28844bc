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
	rounds, clients := 1, 24
	if *harness.Full {
		rounds = 6
	}
	s := newSite(t, 2, 4)
	ledger := &traffic.Ledger{Client: s.client, Pause: 150 * time.Millisecond, Lasts: 300 * time.Millisecond}
	ctx, end := context.WithCancel(context.Background())
	var load sync.WaitGroup
	load.Go(func() { ledger.Load(ctx, clients) })
	stopLoad := func() {
		end()
		load.Wait()
	}
	defer stopLoad()

	slowest := time.Duration(0)
	for range rounds {
		for _, f := range faults(s) {
			slowest = max(slowest, s.suffer(t, f, ledger))
		}
	}
	stopLoad()
	account := ledger.Settle(t, 2*recoverWithin)
	t.Logf("chaos: %s; after each fault a new job was done within %.1fs", account, slowest.Seconds())
	if account.Accepted < 300*rounds {
		t.Errorf("%d jobs are no load", account.Accepted)
	}
	if account.Twice == 0 {
		t.Error("no job ran twice: nothing was ever interrupted")
	}
	s.nothingLeft(t)
}

// faults are what happens in one round. Whatever ends a worker for good comes before the long pause, so that its leases run out
// beside it and not after it.
func faults(s *site) []fault {
	rdb := s.rdb(s.t)
	set := func(args ...any) func() {
		return func() {
			s.t.Helper()
			if err := rdb.Do(context.Background(), args...).Err(); err != nil {
				s.t.Errorf("%v: %v", args, err)
			}
		}
	}
	killed := func(p *part) fault {
		return fault{"kill -9 " + p.program, p.Kill, 0, p.start}
	}
	return []fault{
		killed(s.workers[0]),
		killed(s.apis[0]),
		{"kill -9 redis", func() { s.redis.Kill() }, 0, func() { s.redis.Start() }},
		killed(s.workers[3]),
		{"redis away", func() { s.redis.Kill() }, 3 * time.Second, func() { s.redis.Start() }},
		{"redis paused", func() { s.redis.Signal(syscall.SIGSTOP) }, 3 * time.Second, func() { s.redis.Signal(syscall.SIGCONT) }},
		{"api paused", func() { s.apis[1].Signal(syscall.SIGSTOP) }, 3 * time.Second, func() { s.apis[1].Signal(syscall.SIGCONT) }},
		{"network of a worker cut", s.workers[2].network.Cut, 3 * time.Second, s.workers[2].network.Heal},
		{"network of a worker held up", s.workers[2].network.Hold, 3 * time.Second, s.workers[2].network.Heal},
		{"network of an api cut", s.apis[0].network.Cut, 2 * time.Second, s.apis[0].network.Heal},
		{"network of an api held up", s.apis[1].network.Hold, 3 * time.Second, s.apis[1].network.Heal},
		{"redis full", set("config", "set", "maxmemory", "1"), 3 * time.Second, set("config", "set", "maxmemory", "0")},
		{"redis read-only", set("replicaof", "127.0.0.1", "1"), 3 * time.Second, set("replicaof", "no", "one")},
		{"worker stopped", func() { s.workers[3].Stop() }, 0, func() { s.workers[3].start() }},
		{"api stopped", func() { s.apis[0].Stop() }, 0, func() { s.apis[0].start() }},
		{"worker paused for longer than its lease", func() { s.workers[1].Signal(syscall.SIGSTOP) }, 36 * time.Second,
			func() { s.workers[1].Signal(syscall.SIGCONT) }},
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
