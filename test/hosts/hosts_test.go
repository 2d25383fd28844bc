package hosts

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"safepy/test/harness"
	"safepy/test/traffic"
)

// TestHosts cuts one of three workers off under load, for longer than its lease, and later the API. Afterwards every accepted job
// has one end, and the worker that was away works again.
func TestHosts(t *testing.T) {
	away := 36 * time.Second
	if *harness.Full {
		away = time.Minute
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not on PATH (Debian: apt-get install redis-server)")
	}
	t.Run("five hosts", func(t *testing.T) { testHosts(t, away) })
	harness.Orphans(t)
}

func testHosts(t *testing.T, away time.Duration) {
	l := newLAN(t)
	store := l.host("redis")
	redis := harness.StartCommand(t, "redis", store.command("redis-server", "--bind", store.addr, "--protected-mode", "no", "--dir", t.TempDir(),
		"--save", "", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"))
	redis.Await("(?i)ready to accept connections")
	env := []string{"REDIS_URL=redis://" + store.addr + ":6379/0", "JAIL_PRELOAD=", "WORKER_CONCURRENCY=2"}
	var hosts []*host
	var workers []*harness.Process
	for i := range 3 {
		h := l.host(fmt.Sprintf("worker%d", i))
		hosts, workers = append(hosts, h), append(workers, h.start("worker", env...))
	}
	front := l.host("api")
	front.start("api", append(env, "LISTEN_ADDR="+front.addr+":8080", "LOG_LEVEL=warn")...)
	for _, w := range workers {
		w.Await(harness.Warm)
	}
	// The clients have a host of their own, too.
	client := traffic.NewClient("http://" + front.addr + ":8080")
	client.Dial = l.host("clients").dial
	ledger := &traffic.Ledger{Client: client, Pause: 50 * time.Millisecond, Lasts: 500 * time.Millisecond}
	works := func(what string) {
		t.Helper()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
		defer cancel()
		if !ledger.Works(ctx) {
			t.Fatalf("%s: no job done within %s", what, harness.Patience)
		}
		t.Logf("%s: a new job done after %.2fs; %d jobs accepted so far", what, time.Since(began).Seconds(), ledger.Accepted())
	}
	works("all there")
	ctx, end := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() { ledger.Load(ctx, 12) })
	stop := func() {
		end()
		load.Wait()
	}
	defer stop()
	works("under load")

	hosts[0].unplug()
	<-time.After(away)
	works("without one worker")
	hosts[0].plug()
	works("all three again")
	front.unplug()
	<-time.After(2 * time.Second)
	front.plug()
	works("the api was cut off")
	stop()
	account := ledger.Settle(t, 40*time.Second)
	t.Logf("one of three workers cut off for %s: %s", away, account)
	if account.Accepted < 200 {
		t.Errorf("%d jobs are no load", account.Accepted)
	}
	alone(t, ledger, workers)
}

// alone stops the workers that were never away: the one that was must have found back.
func alone(t *testing.T, ledger *traffic.Ledger, workers []*harness.Process) {
	t.Helper()
	for _, w := range workers[1:] {
		w.Stop()
	}
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	if !ledger.Works(ctx) {
		t.Errorf("the worker that was cut off did no job within %s", harness.Patience)
	}
}

// dial connects from this host: a socket belongs for good to the network in which it was made.
func (h *host) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	there, err := os.Open("/run/netns/" + h.name)
	if err != nil {
		return nil, err
	}
	defer there.Close()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer here.Close()
	type dialed struct {
		conn net.Conn
		err  error
	}
	answer := make(chan dialed, 1)
	go func() {
		// A thread that could not be brought back must not be used for anything else; it ends with its goroutine.
		runtime.LockOSThread()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			answer <- dialed{nil, fmt.Errorf("enter %s: %w", h.name, err)}
			return
		}
		// No Happy Eyeballs and no resolver: they would dial in goroutines of their own, on other threads.
		conn, err := (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, network, addr)
		if unix.Setns(int(here.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		answer <- dialed{conn, err}
	}()
	d := <-answer
	return d.conn, d.err
}
