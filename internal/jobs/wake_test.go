package jobs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// recorder is a Runner that notes when and in which order scripts began.
type recorder struct {
	mu    sync.Mutex
	began map[string]time.Time
	order []string
	hold  chan struct{} // if set, every run waits for it
}

func (r *recorder) Run(ctx context.Context, q *Request) (*Outcome, error) {
	r.mu.Lock()
	if r.began == nil {
		r.began = map[string]time.Time{}
	}
	r.began[q.Script] = time.Now()
	r.order = append(r.order, q.Script)
	r.mu.Unlock()
	if r.hold != nil {
		select {
		case <-r.hold:
		case <-ctx.Done():
		}
	}
	return echo(ctx, q)
}

func (r *recorder) ran() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.order)
}

// TestPickup fails when an idle worker is not woken but polls, be it that asynq has changed its ways.
func TestPickup(t *testing.T) {
	s := startRedis(t)
	run := &recorder{}
	serve(t, s.client(), run, ServerOptions{Concurrency: 2})
	serve(t, s.client(), run, ServerOptions{Concurrency: 2})
	q := newTestQueue(t, s.client(), QueueOptions{})
	wait(t, q, submit(t, q, "warm", SubmitOptions{Reply: true}).ID)
	var pickup, bell []time.Duration
	for i := range 50 {
		script := strconv.Itoa(i)
		sent := time.Now()
		j, err := q.Submit(context.Background(), &Request{Script: script, Priority: priorities[i%3]}, SubmitOptions{Reply: true})
		if err != nil {
			t.Fatal(err)
		}
		wait(t, q, j.ID)
		heard := time.Now()
		run.mu.Lock()
		pickup = append(pickup, run.began[script].Sub(sent))
		bell = append(bell, heard.Sub(run.began[script]))
		run.mu.Unlock()
	}
	slices.Sort(pickup)
	slices.Sort(bell)
	t.Logf("median pickup %s, median way back %s", pickup[25], bell[25])
	if pickup[25] > 50*time.Millisecond {
		t.Errorf("median pickup %s: the worker is not woken", pickup[25])
	}
	if bell[25] > 50*time.Millisecond {
		t.Errorf("median way back %s: the waiter is not woken", bell[25])
	}
}

func TestOrderWithinAQueue(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	var want, ids []string
	for i := range 20 {
		// While a client has jobs in flight the next ones queue behind them, keys or not.
		key := fmt.Sprint("k", i)
		o := SubmitOptions{Client: "ann"}
		if i%3 == 1 {
			o.IdempotencyKey = key
		}
		ids = append(ids, submit(t, q, key, o).ID)
		want = append(want, key)
	}
	run := &recorder{}
	serve(t, s.client(), run, ServerOptions{Concurrency: 1})
	for _, id := range ids {
		wait(t, q, id)
	}
	if got := run.ran(); !slices.Equal(got, want) {
		t.Errorf("ran in order %v", got)
	}
}

// TestPrioritiesDoNotStarve has everything waiting at once: high comes first, and low still gets its turn among the high.
func TestPrioritiesDoNotStarve(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	var last []string
	for i := range 30 {
		for _, p := range []Priority{Low, Default, High} {
			j, err := q.Submit(context.Background(), &Request{Script: fmt.Sprint(p, i), Priority: p},
				SubmitOptions{Client: "ann", IdempotencyKey: fmt.Sprint(p, i)})
			if err != nil {
				t.Fatal(err)
			}
			if i == 29 {
				last = append(last, j.ID)
			}
		}
	}
	run := &recorder{}
	serve(t, s.client(), run, ServerOptions{Concurrency: 1})
	for _, id := range last {
		wait(t, q, id)
	}
	count := map[string]int{}
	for _, script := range run.ran()[:30] {
		count[script[:3]]++
	}
	if count["hig"] <= count["def"] || count["def"] <= count["low"] || count["low"] == 0 {
		t.Errorf("of the first 30: %v", count)
	}
}

func TestPausedQueue(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, rdb, QueueOptions{})
	run := &recorder{}
	serve(t, s.client(), run, ServerOptions{Concurrency: 1})
	ctx := context.Background()
	var paused []string // a job goes to the lane that suits it
	for l := range q.layout.lanes {
		paused = append(paused, lane(l).asynq(Default)+"paused")
		if err := rdb.Set(ctx, paused[l], 1, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	held := submit(t, q, "held", SubmitOptions{Client: "ann", IdempotencyKey: "1"})
	j, err := q.Submit(ctx, &Request{Script: "passes", Priority: High}, SubmitOptions{Client: "ann", IdempotencyKey: "2"})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, q, j.ID)
	if got := run.ran(); !slices.Equal(got, []string{"passes"}) {
		t.Errorf("ran %v", got)
	}
	rdb.Del(ctx, paused...)
	wait(t, q, held.ID)
}

func TestManyJobsOverManyServers(t *testing.T) {
	s := startRedis(t)
	var mu sync.Mutex
	runs := map[string]int{}
	run := runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
		mu.Lock()
		runs[r.Script]++
		mu.Unlock()
		return echo(ctx, r)
	})
	for range 3 {
		serve(t, s.client(), run, ServerOptions{Concurrency: 3})
	}
	const apis, each = 2, 1000
	var wg sync.WaitGroup
	for a := range apis {
		q := newTestQueue(t, s.client(), QueueOptions{})
		for c := range 10 {
			wg.Go(func() {
				for i := range each / 10 {
					script := fmt.Sprint(a, "-", c, "-", i)
					j, err := q.Submit(context.Background(), &Request{Script: script, Priority: priorities[i%3]}, SubmitOptions{Reply: true})
					if err == nil {
						j, err = q.Wait(context.Background(), j.ID, time.Minute)
					}
					if err != nil || j.Status != Completed || string(j.Result) != strconv.Quote(script) {
						t.Errorf("%s: %+v, %v", script, j, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	if len(runs) != apis*each {
		t.Errorf("%d of %d jobs ran", len(runs), apis*each)
	}
	for script, n := range runs {
		if n != 1 {
			t.Errorf("%s ran %d times", script, n)
		}
	}
	empty(t, s.client())
}

// empty checks that asynq's books are clean.
func empty(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	y, err := newLayout(rdb, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	eventually(t, 5*time.Second, "the books are clean", func() bool {
		for l := range y.lanes {
			for _, p := range priorities {
				k := lane(l).asynq(p)
				n, err := rdb.Exists(ctx, k+"pending", k+"active", k+"lease", k+"retry", k+"archived", k+"completed").Result()
				tasks, err2 := rdb.Keys(ctx, k+"t:*").Result()
				if err != nil || err2 != nil || n != 0 || len(tasks) != 0 {
					return false
				}
			}
		}
		return true
	})
}

// TestStopIsQuick: a parked worker must not sit out its wait.
func TestStopIsQuick(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	stop := serve(t, s.client(), runnerFunc(echo), ServerOptions{})
	wait(t, q, submit(t, q, "x", SubmitOptions{}).ID)
	began := time.Now()
	stop()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("stop took %s", took)
	}
	if keys := s.client().Keys(context.Background(), "*:stop:*").Val(); len(keys) > 0 {
		t.Logf("left to expire: %v", keys)
	}
}

// TestIdleWorkerIsQuiet counts what an idle worker asks of Redis, beyond asynq's own heartbeats and checks.
func TestIdleWorkerIsQuiet(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, s.client(), QueueOptions{})
	serve(t, s.client(), runnerFunc(echo), ServerOptions{})
	wait(t, q, submit(t, q, "x", SubmitOptions{}).ID)
	settled(t, rdb)
	before := calls(t, rdb)
	const window = 15 * time.Second // a whole number of its sweeps and of its looks, wherever it begins
	<-time.After(window)            // the very thing measured
	after := calls(t, rdb)
	since := func(c string) int { return after[c] - before[c] }
	// Of the scripts, those with a SETEX in them are asynq's heartbeats.
	own := since("evalsha") - since("setex") + since("blpop")
	perSecond := float64(own) / window.Seconds()
	t.Logf("%.2f commands a second", perSecond)
	if perSecond >= 1 {
		t.Errorf("%.2f commands a second", perSecond)
	}
	if n := after["blpop"] - before["blpop"]; n > 5 {
		t.Errorf("%d waits in %s", n, window)
	}
}

// TestNoLookForAJob: submitted, finished and asked after by this test. A worker that waits is handed its jobs.
func TestNoLookForAJob(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, s.client(), QueueOptions{})
	serve(t, s.client(), runnerFunc(echo), ServerOptions{})
	wait(t, q, submit(t, q, "x", SubmitOptions{}).ID)
	settled(t, rdb)
	const jobs = 200
	before := calls(t, rdb)
	for range jobs {
		wait(t, q, submit(t, q, "x", SubmitOptions{}).ID)
	}
	after := calls(t, rdb)
	perJob := float64(after["evalsha"]-before["evalsha"]) / jobs
	t.Logf("%.2f scripts of Redis for each job", perJob)
	if perJob > 3.3 { // sweeps and heartbeats come in between
		t.Errorf("%.2f scripts of Redis for each job", perJob)
	}
}

// settled waits until a worker is idle that was started a moment ago.
func settled(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	eventually(t, 20*time.Second, "asynq has looked at every queue, as it does at its start", func() bool {
		n := calls(t, rdb)["evalsha"]
		<-time.After(time.Second)
		return calls(t, rdb)["evalsha"]-n < 3
	})
}

func calls(t testing.TB, rdb redis.UniversalClient) map[string]int {
	t.Helper()
	info, err := rdb.Info(context.Background(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for line := range strings.Lines(info) {
		var name string
		var count int
		if _, err := fmt.Sscanf(line, "cmdstat_%s", &name); err == nil {
			if i := strings.IndexByte(name, ':'); i > 0 {
				fmt.Sscanf(name[i:], ":calls=%d,", &count)
				n[name[:i]] = count
			}
		}
	}
	return n
}
