package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// trips counts round trips to Redis, and breaks off a pipeline after so many commands when told to.
type trips struct {
	n       atomic.Int32
	breakAt atomic.Int32
}

func (*trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.n.Add(1)
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.n.Add(1)
		n := int(h.breakAt.Load())
		if n == 0 || n >= len(cmds) {
			return next(ctx, cmds)
		}
		err := next(ctx, cmds[:n])
		for _, cmd := range cmds[n:] {
			cmd.SetErr(io.ErrUnexpectedEOF)
		}
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
}

// scripts are requests, one for each text; an empty one is no request.
func scripts(texts ...string) (all []*Request) {
	for _, text := range texts {
		if text == "" {
			all = append(all, nil)
		} else {
			all = append(all, &Request{Script: text})
		}
	}
	return all
}

func numbered(n int) (all []*Request) {
	for i := range n {
		all = append(all, &Request{Script: fmt.Sprint("number ", i)})
	}
	return all
}

func submitBatch(t testing.TB, q *Queue, requests []*Request, o SubmitOptions) []Submitted {
	t.Helper()
	all, err := q.SubmitBatch(t.Context(), requests, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(requests) {
		t.Fatalf("%d requests and %d places", len(requests), len(all))
	}
	return all
}

// idsOf are those of a batch whose every request became a job.
func idsOf(t testing.TB, all []Submitted) (ids []string) {
	t.Helper()
	for i, s := range all {
		if s.ID == "" || s.Err != nil {
			t.Fatalf("%d: %+v", i, s)
		}
		ids = append(ids, s.ID)
	}
	return ids
}

// finished waits for jobs, and returns their results in order.
func finished(t testing.TB, q *Queue, ids []string) (results []string) {
	t.Helper()
	found, final, err := q.WaitAll(t.Context(), ids, time.Minute)
	if err != nil || !final {
		t.Fatalf("final %v, %v", final, err)
	}
	again, err := q.Find(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, j := range again {
		if j == nil || !j.Status.Final() || j.ID != ids[i] {
			t.Fatalf("%d: %+v", i, j)
		}
		if found[i] != nil && string(found[i].Result) != string(j.Result) {
			t.Errorf("%d: %s came with word of the end, and %s is there", i, found[i].Result, j.Result)
		}
		results = append(results, string(j.Result))
	}
	return results
}

// runCount is a Runner that counts the runs of each script.
type runCount struct {
	mu   sync.Mutex
	runs map[string]int
}

func newRunCount() *runCount { return &runCount{runs: map[string]int{}} }

func (c *runCount) Run(ctx context.Context, r *Request) (*Outcome, error) {
	c.mu.Lock()
	c.runs[r.Script]++
	c.mu.Unlock()
	return echo(ctx, r)
}

// once holds so many scripts to have run, each once.
func (c *runCount) once(t *testing.T, scripts int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.runs) != scripts {
		t.Errorf("%d scripts ran, want %d", len(c.runs), scripts)
	}
	for script, n := range c.runs {
		if n != 1 {
			t.Errorf("%q ran %d times", script, n)
		}
	}
}

func TestBatch(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	serve(t, rdb, runnerFunc(echo), ServerOptions{Concurrency: 2})
	own := s.client()
	count := &trips{}
	own.AddHook(count)
	q := newTestQueue(t, own, QueueOptions{Limit: 1000, ClientInFlight: 500})
	for _, c := range []struct {
		name  string
		o     SubmitOptions
		trips int32
	}{
		{"nobody in particular", SubmitOptions{Reply: true}, 1},
		{"a named client", SubmitOptions{Reply: true, Client: "ann"}, 2},
		{"a key", SubmitOptions{Reply: true, Client: "ann", IdempotencyKey: "k"}, 3},
		{"nobody waits", SubmitOptions{}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			least := int32(math.MaxInt32)
			for i := range 5 { // at first a script may not be known, and now and then the lengths are read again
				before, o := count.n.Load(), c.o
				if o.IdempotencyKey != "" {
					o.IdempotencyKey += strconv.Itoa(i)
				}
				submitBatch(t, q, numbered(20), o)
				least = min(least, count.n.Load()-before)
			}
			if least != c.trips {
				t.Errorf("%d round trips, want %d", least, c.trips)
			}
			all := submitBatch(t, q, append(numbered(200), nil, &Request{Script: "last", Priority: High}), c.o)
			if all[200] != (Submitted{}) {
				t.Errorf("what is no request became %+v", all[200])
			}
			all = slices.Delete(all, 200, 201)
			for i, got := range finished(t, q, idsOf(t, all)) {
				want := fmt.Sprintf("%q", fmt.Sprint("number ", i))
				if i == 200 {
					want = `"last"`
				}
				if got != want {
					t.Errorf("%d is %s, want %s", i, got, want)
				}
			}
		})
	}
	if all := submitBatch(t, q, scripts("", ""), SubmitOptions{IdempotencyKey: "x"}); all[0] != (Submitted{}) || all[1] != (Submitted{}) {
		t.Errorf("no requests became %+v", all)
	}
}

// TestBatchIsAdmittedJobByJob: of a batch as many are accepted as of the same jobs sent one by one, and the others are told the same.
func TestBatchIsAdmittedJobByJob(t *testing.T) {
	long := func(n int) *Request { return &Request{Script: strings.Repeat("x", n)} }
	for _, c := range []struct {
		name   string
		queue  QueueOptions
		o      SubmitOptions
		others int // jobs of somebody else's that wait
		jobs   []*Request
		scope  string
		want   int
	}{
		{"queue limit", QueueOptions{Limit: 10}, SubmitOptions{}, 0, numbered(15), "service", 10},
		{"share", QueueOptions{Limit: 100, Share: 0.5}, SubmitOptions{Client: "ann"}, 0, numbered(60), "share", 50},
		{"share of what others leave", QueueOptions{Limit: 100, Share: 0.5}, SubmitOptions{Client: "ann"}, 40, numbered(60), "share", 30},
		{"bytes", QueueOptions{Bytes: 10_000}, SubmitOptions{}, 0, []*Request{long(4000), long(7000), long(4000), long(4000), long(100)}, "bytes", 3},
		{"in flight", QueueOptions{ClientInFlight: 7}, SubmitOptions{Client: "ann"}, 0, numbered(10), "key", 7},
		{"rate", QueueOptions{ClientPerSecond: 3}, SubmitOptions{Client: "ann"}, 0, numbered(5), "key", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			// one by one, then as a batch, each on a Redis of its own
			var accepted [2][]bool
			for way := range accepted {
				q := newTestQueue(t, startRedis(t).client(), c.queue)
				for range c.others {
					submit(t, q, "x", SubmitOptions{Client: "others", Address: "others"})
				}
				var errs []error
				if way == 0 {
					for _, r := range c.jobs {
						_, err := q.Submit(t.Context(), r, c.o)
						errs = append(errs, err)
					}
				} else {
					for _, s := range submitBatch(t, q, c.jobs, c.o) {
						errs = append(errs, s.Err)
						if (s.Err == nil) != (s.ID != "" && s.Job != nil && s.Job.Status == Queued) {
							t.Errorf("%+v", s)
						}
					}
				}
				n := 0
				for _, err := range errs {
					accepted[way] = append(accepted[way], err == nil)
					if err == nil {
						n++
					} else {
						busy(t, err, c.scope)
					}
				}
				if n != c.want {
					t.Errorf("way %d accepted %d, want %d", way, n, c.want)
				}
				d, err := q.Depth(t.Context())
				if err != nil || d.Waiting[Default] != c.want+c.others {
					t.Errorf("way %d: %d wait, %v", way, d.Waiting[Default], err)
				}
			}
			if !reflect.DeepEqual(accepted[0], accepted[1]) {
				t.Errorf("one by one %v, as a batch %v", accepted[0], accepted[1])
			}
		})
	}
}

// TestBatchMakesRoomAgain: a client's set that holds jobs which are over does not keep a batch out.
func TestBatchMakesRoomAgain(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{ClientInFlight: 4})
	for i := range 3 {
		if err := rdb.ZAdd(t.Context(), clientJobs("ann"), z(float64(i), newID(0))).Err(); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, s := range submitBatch(t, q, numbered(6), SubmitOptions{Client: "ann"}) {
		if s.Err == nil {
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d accepted, want 4", n)
	}
}

func TestBatchIdempotency(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	o := SubmitOptions{Client: "ann", IdempotencyKey: "k", Reply: true}
	first := idsOf(t, submitBatch(t, q, scripts("a", "", "b"), o)[:1])
	again := submitBatch(t, q, scripts("a", "", "b"), o)
	if again[0].ID != first[0] || again[0].Job != nil || again[2].ID == "" || again[1] != (Submitted{}) {
		t.Errorf("sent twice: %+v", again)
	}
	for name, other := range map[string][]*Request{
		"another script": scripts("a", "", "c"), "shorter": scripts("a", ""), "longer": scripts("a", "", "b", "c"),
		"in another place": scripts("", "a", "b"), "another order": scripts("b", "", "a"), "the same without a place": scripts("a", "b"),
	} {
		if _, err := q.SubmitBatch(t.Context(), other, o); !errors.Is(err, ErrIdempotencyMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := q.Submit(t.Context(), &Request{Script: "a"}, o); !errors.Is(err, ErrIdempotencyMismatch) {
		t.Errorf("a single request with a batch's key: %v", err)
	}
	if depth, err := q.Depth(t.Context()); err != nil || depth.Waiting[Default] != 2 {
		t.Errorf("%+v, %v", depth, err)
	}
	// Nobody but who sends with the key ever sees the claim.
	claim := keyedID(q.layout.home("ann"), "ann", "k")
	if _, err := q.Get(t.Context(), claim); !errors.Is(err, ErrNotFound) {
		t.Errorf("the claim as a job: %v", err)
	}
	if _, err := q.Cancel(t.Context(), claim); !errors.Is(err, ErrNotFound) {
		t.Errorf("canceling the claim: %v", err)
	}
	if ttl := rdb.TTL(t.Context(), lane(q.layout.home("ann")).record(claim)).Val(); ttl <= 0 || ttl > 24*time.Hour {
		t.Errorf("the claim lives for %s", ttl)
	}
	// A single one's key is no batch's, and its job is not touched.
	o.IdempotencyKey = "single"
	job, err := q.Submit(t.Context(), &Request{Script: "a"}, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.SubmitBatch(t.Context(), scripts("a"), o); !errors.Is(err, ErrIdempotencyMismatch) {
		t.Errorf("a batch with a single one's key: %v", err)
	}
	l, _ := laneOf(job.ID)
	if ttl := rdb.TTL(t.Context(), l.record(job.ID)).Val(); ttl != -1 {
		t.Errorf("the single one's unfinished job lives for %s", ttl)
	}
	// Another client's key is another.
	o.IdempotencyKey, o.Client = "k", "bob"
	if ids := idsOf(t, submitBatch(t, q, scripts("z"), o)); ids[0] == first[0] {
		t.Error("two clients share a job")
	}
}

// TestBatchCutInHalf: a batch of which Redis has seen a part is sent again with its key, and every job is there once.
func TestBatchCutInHalf(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	cut := &trips{}
	broken := s.client()
	broken.AddHook(cut)
	q := newTestQueue(t, broken, QueueOptions{})
	submit(t, q, "the scripts are known", SubmitOptions{Address: "x"})
	runs := newRunCount()
	o := SubmitOptions{IdempotencyKey: "k", Address: "x"}
	requests := numbered(100)
	cut.breakAt.Store(37)
	first := submitBatch(t, q, requests, o)
	cut.breakAt.Store(0)
	for i, s := range first {
		if i < 37 && (s.Err != nil || s.ID == "") || i >= 37 && (!errors.Is(s.Err, ErrUnavailable) || s.ID != "") {
			t.Fatalf("%d: %+v", i, s)
		}
	}
	serve(t, rdb, runs, ServerOptions{Concurrency: 4})
	second := idsOf(t, submitBatch(t, q, requests, o))
	for i, id := range second {
		if i < 37 && id != first[i].ID {
			t.Errorf("%d was %s and is %s", i, first[i].ID, id)
		}
	}
	for i, got := range finished(t, q, second) {
		if want := fmt.Sprintf("%q", fmt.Sprint("number ", i)); got != want {
			t.Errorf("%d is %s, want %s", i, got, want)
		}
	}
	if third := idsOf(t, submitBatch(t, q, requests, o)); !slices.Equal(third, second) {
		t.Error("the third time the jobs are others")
	}
	runs.once(t, 101)
}

// TestBatchesAtOnce: however many arrive at the same time with one key, each job runs once.
func TestBatchesAtOnce(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	runs := newRunCount()
	serve(t, rdb, runs, ServerOptions{Concurrency: 4})
	o := SubmitOptions{IdempotencyKey: "k", Client: "ann"}
	all := make(chan []Submitted, 4)
	for range cap(all) {
		go func() {
			one, err := q.SubmitBatch(context.Background(), numbered(50), o)
			if err != nil {
				t.Error(err)
			}
			all <- one
		}()
	}
	first := idsOf(t, <-all)
	for range cap(all) - 1 {
		if other := idsOf(t, <-all); !slices.Equal(first, other) {
			t.Error("two have other jobs")
		}
	}
	finished(t, q, first)
	runs.once(t, 50)
}

// TestBatchWithoutRedis: a Redis that is away is said once, for all.
func TestBatchWithoutRedis(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{Limit: 10})
	s.kill()
	if all, err := q.SubmitBatch(t.Context(), numbered(3), SubmitOptions{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestWaitAllElsewhere: another process, which did not submit them, waits for jobs just as well, and looks at what is not there as over.
func TestWaitAllElsewhere(t *testing.T) {
	s := startRedis(t)
	q, other := newTestQueue(t, s.client(), QueueOptions{}), newTestQueue(t, s.client(), QueueOptions{})
	hold := newBlocking()
	ids := append(idsOf(t, submitBatch(t, q, numbered(3), SubmitOptions{})), newID(1))
	if _, final, err := other.WaitAll(t.Context(), ids, time.Millisecond); final || err != nil {
		t.Errorf("final %v, %v", final, err)
	}
	serve(t, s.client(), hold, ServerOptions{Concurrency: 1})
	began(t, hold)
	close(hold.goOn)
	found, final, err := other.WaitAll(t.Context(), ids, time.Minute)
	if err != nil || !final || found[3] != nil {
		t.Errorf("final %v, %+v, %v", final, found[3], err)
	}
	if jobs, err := other.Find(t.Context(), ids); err != nil || jobs[3] != nil || jobs[2].Status != Completed {
		t.Errorf("%+v, %v", jobs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := q.WaitAll(ctx, idsOf(t, submitBatch(t, q, numbered(1), SubmitOptions{})), time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that went away: %v", err)
	}
}
