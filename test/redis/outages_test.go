package redis

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"safepy/test/harness"
	"safepy/test/traffic"
)

// outage is a way in which a Redis is there and of no use, or not there.
type outage struct {
	name       string
	begin, end func(t *testing.T, s *site)
	// reads says that what does not write to Redis still works.
	reads bool
}

// site is one service with a network of its own to Redis.
type site struct {
	*harness.Service
	network *harness.Proxy
	rdb     *redis.Client
	client  *traffic.Client
}

var outages = []outage{
	{"away", func(_ *testing.T, s *site) { s.Redis.Kill() }, func(_ *testing.T, s *site) { s.Redis.Start() }, false},
	{"stopped", func(_ *testing.T, s *site) { s.Redis.Signal(syscall.SIGSTOP) }, func(_ *testing.T, s *site) { s.Redis.Signal(syscall.SIGCONT) }, false},
	{"full", set("config", "set", "maxmemory", "1"), set("config", "set", "maxmemory", "0"), true},
	{"read-only", set("replicaof", "127.0.0.1", "1"), set("replicaof", "no", "one"), true},
	{"unreachable", func(_ *testing.T, s *site) { s.network.Cut() }, func(_ *testing.T, s *site) { s.network.Heal() }, false},
	{"behind a network that loses everything", func(_ *testing.T, s *site) { s.network.Hold() }, func(_ *testing.T, s *site) { s.network.Heal() }, false},
	{"slower than can be waited for", func(_ *testing.T, s *site) { s.network.Slow(2500 * time.Millisecond) }, func(_ *testing.T, s *site) { s.network.Heal() }, false},
}

func set(args ...any) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		t.Helper()
		if err := s.rdb.Do(context.Background(), args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
}

const (
	// answerWithin is what a client may be kept waiting by an outage, and a test's own machine is allowed for.
	answerWithin = 2*time.Second + 500*time.Millisecond
	// healWithin is how long after an outage a new job may take: a poll, a pause after an error, and jobs' turn.
	healWithin = 20 * time.Second
	// watched is how long the processes are looked at while Redis is of no use.
	watched = 3 * time.Second
	// idle is the share of a core that they may use meanwhile. One that spins uses all of one.
	idle = 0.3
)

// testOutages: during each outage calls are answered with 503 within 2 s and nothing spins; after it everything works by itself.
func testOutages(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t, "--appendfsync", "always")
	s := &site{network: harness.StartProxy(t, "unix", r.Socket), rdb: r.Client(t)}
	r.URL = "redis://" + s.network.Addr + "/0"
	s.Service = harness.StartServiceOn(t, r, 1, "JAIL_PRELOAD=", "WORKER_CONCURRENCY=2")
	s.client = traffic.NewClient(s.URL)
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) { o.test(t, s) })
	}
}

func (o outage) test(t *testing.T, s *site) {
	id := s.works(t)
	o.begin(t, s)
	over := false
	end := func() {
		if !over {
			over = true
			o.end(t, s)
		}
	}
	defer end()
	slowest := time.Duration(0)
	for _, call := range []struct {
		method, path string
		body         any
		reads        bool
	}{
		{http.MethodPost, "/execute", traffic.Request{Script: quick}, false},
		{http.MethodPost, "/jobs", traffic.Request{Script: quick}, false},
		{http.MethodGet, "/jobs/" + id, nil, true},
		{http.MethodGet, "/ready", nil, true},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
		a, err := s.client.Do(ctx, call.method, call.path, call.body)
		cancel()
		if err != nil {
			t.Errorf("%s %s: %v", call.method, call.path, err)
			continue
		}
		slowest = max(slowest, a.Took)
		if call.reads && o.reads {
			// Whether a service that cannot take jobs calls itself ready is its own business; an answer it must have.
			continue
		}
		if a.Status != http.StatusServiceUnavailable || a.Took > answerWithin {
			t.Errorf("%s %s: %d %s after %s, want 503 within 2 s", call.method, call.path, a.Status, a.Body, a.Took)
		}
	}
	if a, err := s.client.Do(t.Context(), http.MethodGet, "/health", nil); err != nil || a.Status != http.StatusOK {
		t.Errorf("health: %+v, %v", a, err)
	}
	api, worker := cpu(t, s.API), cpu(t, s.Workers[0])
	<-time.After(watched)
	api, worker = (cpu(t, s.API)-api)/watched.Seconds(), (cpu(t, s.Workers[0])-worker)/watched.Seconds()
	if api > idle || worker > idle {
		t.Errorf("spinning: api %.0f%% of a core, worker %.0f%%", 100*api, 100*worker)
	}
	end()
	mended := time.Now()
	s.works(t)
	healed := time.Since(mended)
	t.Logf("503 within %.2fs; CPU meanwhile: api %.1f%% of a core, worker %.1f%%; healed after %.2fs", slowest.Seconds(), 100*api, 100*worker, healed.Seconds())
	if healed > healWithin {
		t.Errorf("healed only after %s", healed)
	}
}

// works waits until a job is accepted and done, and returns its id.
func (s *site) works(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		j, err := s.client.Submit(ctx, traffic.Request{Script: quick})
		for err == nil && !j.Final() {
			j, err = s.client.Get(ctx, j.ID, time.Second)
		}
		if err == nil && j.Status == "completed" {
			return j.ID
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("no job done within %s: %+v, %v", harness.Patience, j, err)
		}
	}
}

// cpu is the time that a process has computed so far, in seconds.
func cpu(t *testing.T, p *harness.Process) float64 {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	// pid (name) state ...: utime and stime are the 14th and 15th field, in hundredths of a second.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	sum := 0.0
	for _, f := range fields[11:13] {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += n / 100
	}
	return sum
}
