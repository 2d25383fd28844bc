package redis

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"safepy/test/harness"
	"safepy/test/traffic"
)

// testKinds does everything a client can ask for on each kind of Redis, and has it restarted, or fail over, under load.
func testKinds(t *testing.T) {
	t.Parallel()
	for _, kind := range harness.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := harness.StartKind(t, kind, "--appendfsync", "always") // before it answers: what was accepted survives kill -9
			s := harness.StartServiceOn(t, r, 2, "JAIL_PRELOAD=", "LOG_LEVEL=info", "WORKER_CONCURRENCY=2")
			_, other := harness.StartAPI(t, "api", append([]string{"REDIS_URL=" + r.URL}, r.Env...)...)
			harness.Ready(t, other)
			c := traffic.NewClient(s.URL, other)
			t.Run("calls", func(t *testing.T) { testCalls(t, c) })
			t.Run("load", func(t *testing.T) {
				testUnderLoad(t, c, r, kind)
			})
		})
	}
}

const quick = "def main(n=0):\n    print(n)\n    return n + 1\n"

const slow = "import time\n\n\ndef main():\n    print('so far', flush=True)\n    time.sleep(9)\n"

// testCalls uses every route that queues, waits, looks, cancels and lists; each call goes to the other API than the one before.
func testCalls(t *testing.T, c *traffic.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	a, err := c.Do(ctx, http.MethodPost, "/execute", traffic.Request{Script: quick, Args: []int{41}})
	if err != nil || a.Status != http.StatusOK || string(a.Body) != `{"result":42,"stdout":"41\n"}`+"\n" {
		t.Fatalf("execute: %v, %+v %s", err, a, a.Body)
	}
	if j, err := c.Get(ctx, a.Header.Get("X-Job-Id"), 0); err != nil || j.Status != "completed" || j.Attempts != 1 {
		t.Errorf("the executed job: %+v, %v", j, err)
	}
	j, err := c.Submit(ctx, traffic.Request{Script: quick, Args: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	if j, err := c.Get(ctx, j.ID, 10*time.Second); err != nil || string(j.Result) != "2" {
		t.Errorf("a queued job: %+v, %v", j, err)
	}
	if j, err = c.Submit(ctx, traffic.Request{Script: slow}); err != nil {
		t.Fatal(err)
	}
	id := j.ID
	for j.Status == "queued" || j.Status == "running" && j.StartedAt == nil {
		if j, err = c.Get(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
	}
	// The answer is of a job that still runs where its worker has not ended it within a second, as on a busy machine.
	if j, err = c.Cancel(ctx, id); err == nil && j.Status == "running" {
		j, err = c.Get(ctx, id, 30*time.Second)
	}
	if err != nil || j.Status != "canceled" {
		t.Errorf("a canceled job: %+v, %v", j, err)
	}
	testSameKey(t, c)
	if ids, err := c.List(ctx); err != nil || len(ids) != 4 {
		t.Errorf("list: %d jobs, %v", len(ids), err)
	}
}

// testSameKey sends one job many times at once, and again where the service says to try again: twenty new connections, with TLS to
// Redis behind them, can take longer than it waits for its queue.
func testSameKey(t *testing.T, c *traffic.Client) {
	ids := make([]string, 20)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			for {
				j, err := c.Submit(ctx, traffic.Request{Script: quick, Args: []int{7}}, "Idempotency-Key", "seven")
				switch {
				case err == nil:
					ids[i] = j.ID
					return
				case traffic.Unavailable(err) && ctx.Err() == nil:
					continue
				}
				t.Error(err)
				return
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("one key, several jobs: %v", ids)
		}
	}
	if j, err := c.Get(t.Context(), ids[0], 10*time.Second); err != nil || j.Status != "completed" || j.Attempts != 1 {
		t.Errorf("the one job: %+v, %v", j, err)
	}
	if a, err := c.Do(t.Context(), http.MethodPost, "/jobs", traffic.Request{Script: quick}, "Idempotency-Key", "seven"); err != nil || a.Status != http.StatusConflict {
		t.Errorf("another job with the same key: %v, %+v", err, a)
	}
}

// testUnderLoad takes every server of this Redis away once, one after another, while jobs come in.
func testUnderLoad(t *testing.T, c *traffic.Client, r *harness.Redis, kind string) {
	others, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ledger := &traffic.Ledger{Client: c, Pause: 20 * time.Millisecond, Lasts: 100 * time.Millisecond, Others: others}
	ctx, end := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() { ledger.Load(ctx, 8) })
	stop := func() {
		end()
		load.Wait()
	}
	defer stop()
	works := func(what string) {
		t.Helper()
		began := time.Now()
		patience, cancel := context.WithTimeout(t.Context(), harness.Patience)
		defer cancel()
		if !ledger.Works(patience) {
			t.Fatalf("%s: no new job done within %s", what, harness.Patience)
		}
		t.Logf("%s: a new job done after %.2fs", what, time.Since(began).Seconds())
	}
	works("as it is")
	if kind == "sentinel" {
		// What a replica has not got yet dies with its master: Redis promises no more. So no job is in between now.
		stop()
		ledger.Settle(t, harness.Patience)
		r.Kill()
		works("master killed")
		r.Start()
		works("and back as a replica")
	} else {
		for i, node := range append([]*harness.Redis{r}, r.Peers...) {
			node.Kill()
			node.Start()
			works(fmt.Sprintf("server %d killed and started again", i))
		}
		stop()
	}
	t.Logf("%s: %s", kind, ledger.Settle(t, harness.Patience))
}
