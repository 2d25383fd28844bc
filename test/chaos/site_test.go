package chaos

import (
	"context"
	"slices"
	"testing"
	"time"

	"safepy/test/harness"
	"safepy/test/ports"
	"safepy/test/traffic"
)

// site is a service whose parts can be broken one at a time: every process has a network of its own to Redis.
type site struct {
	t       *testing.T
	redis   *harness.Redis
	apis    []*part
	workers []*part
	client  *traffic.Client
}

// part is a process that the test starts again whenever it has ended it.
type part struct {
	*harness.Process
	t       *testing.T
	program string
	env     []string
	url     string // of an API
	network *harness.Proxy
}

// newSite starts everything and returns when jobs would be done.
func newSite(t *testing.T, apis, workers int, env ...string) *site {
	t.Helper()
	// Redis answers when the append-only file is on the disk: else a kill -9 may take with it what was accepted in the last moment.
	s := &site{t: t, redis: harness.StartRedis(t, "--appendfsync", "always")}
	env = slices.Concat([]string{"JAIL_PRELOAD=", "WORKER_CONCURRENCY=2", "LOG_LEVEL=error"}, env)
	for range workers {
		s.workers = append(s.workers, s.newPart("worker", env, "WORKER_ADDR=127.0.0.1:0", "LOG_LEVEL=info"))
	}
	var urls []string
	for range apis {
		addr := "127.0.0.1:" + ports.For(t)
		a := s.newPart("api", env, "LISTEN_ADDR="+addr)
		a.url = "http://" + addr
		s.apis, urls = append(s.apis, a), append(urls, a.url)
	}
	s.client = traffic.NewClient(urls...)
	for _, w := range s.workers {
		w.Await(harness.Proven)
	}
	for _, url := range urls {
		harness.Ready(t, url)
	}
	return s
}

func (s *site) newPart(program string, env []string, own ...string) *part {
	network := harness.StartProxy(s.t, "unix", s.redis.Socket)
	p := &part{t: s.t, program: program, network: network, env: slices.Concat([]string{"REDIS_URL=redis://" + network.Addr + "/0"}, env, own)}
	p.start()
	return p
}

func (p *part) start() {
	p.t.Helper()
	p.Process = harness.Start(p.t, p.program, p.env...)
}

// restart is start for whoever is about to break the next thing: a worker that finds no Redis when it starts ends, for its
// supervisor to try again, and that is not what is tested here.
func (p *part) restart() {
	p.t.Helper()
	p.start()
	if p.program == "worker" {
		p.Await(harness.Proven)
	}
}

// everywhere does something to the network of each process.
func (s *site) everywhere(do func(*harness.Proxy)) {
	for _, p := range slices.Concat(s.apis, s.workers) {
		do(p.network)
	}
}

// nothingLeft fails the test when Redis still holds a job that waits, runs or has a lease, although all have ended.
func (s *site) nothingLeft(t *testing.T) {
	t.Helper()
	rdb, ctx := s.redis.Client(t), context.Background()
	keys := rdb.Keys(ctx, "asynq:{*").Val()
	if len(keys) == 0 {
		t.Error("no key of asynq's at all: is this the right Redis?")
	}
	for _, key := range keys {
		n, kind := int64(0), rdb.Type(ctx, key).Val()
		switch kind {
		case "list":
			n = rdb.LLen(ctx, key).Val()
		case "zset":
			n = rdb.ZCard(ctx, key).Val()
		case "hash":
			n = rdb.HLen(ctx, key).Val() // a task
		}
		if n > 0 {
			t.Errorf("%s %s still holds %d", kind, key, n)
		}
	}
}

// eventually asks until the answer is yes; for states that nobody announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(harness.Patience); !ok(); <-again.C {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", harness.Patience, what)
		}
	}
}
