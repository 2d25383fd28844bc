package jobs

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// blocking is a Runner that says when a run has begun, and goes on until it is let go or told to end.
type blocking struct {
	began chan string
	goOn  chan struct{}
}

func newBlocking() *blocking {
	return &blocking{began: make(chan string, 100), goOn: make(chan struct{})}
}

func (b *blocking) Run(ctx context.Context, r *Request) (*Outcome, error) {
	b.began <- r.Script
	select {
	case <-b.goOn:
		return echo(ctx, r)
	case <-ctx.Done():
		return &Outcome{Stdout: "so far", Error: &Error{Code: Crashed, Message: "killed"}}, nil
	}
}

func began(t *testing.T, b *blocking) {
	t.Helper()
	select {
	case <-b.began:
	case <-time.After(20 * time.Second):
		t.Fatal("the job never began")
	}
}

func TestCancelQueued(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	j := submit(t, q, "x", SubmitOptions{Client: "ann", Reply: true})
	waited := make(chan *Job, 1)
	go func() {
		j, _ := q.Wait(context.Background(), j.ID, time.Minute)
		waited <- j
	}()
	got, err := q.Cancel(context.Background(), j.ID)
	if err != nil || got.Status != Canceled || got.FinishedAt == nil || got.StartedAt != nil || got.Attempts != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if w := <-waited; w == nil || w.Status != Canceled {
		t.Errorf("who waits gets %+v", w)
	}
	empty(t, rdb)
	again, err := q.Cancel(context.Background(), j.ID)
	if err != nil || again.Status != Canceled || !again.FinishedAt.Equal(*got.FinishedAt) {
		t.Errorf("second cancel: %+v, %v", again, err)
	}
}

func TestCancelRunning(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	run := newBlocking()
	serve(t, s.client(), run, ServerOptions{Concurrency: 1})
	var took []time.Duration
	for range 5 {
		j := submit(t, q, "x", SubmitOptions{Reply: true})
		began(t, run)
		start := time.Now()
		got, err := q.Cancel(context.Background(), j.ID)
		took = append(took, time.Since(start))
		if err != nil || got.Status != Canceled || got.Stdout != "so far" || got.Error != nil || got.Attempts != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	t.Logf("took %v", took)
	for _, d := range took {
		if d < 200*time.Millisecond {
			return
		}
	}
	t.Errorf("never within 200 ms: %v", took)
}

func TestCancelUnheardByTheWorkerIsFound(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, rdb, QueueOptions{})
	run := newBlocking()
	serve(t, s.client(), run, ServerOptions{Concurrency: 1})
	j := submit(t, q, "x", SubmitOptions{Reply: true})
	began(t, run)
	l, _ := laneOf(j.ID)
	// What Cancel writes, without what it says.
	rdb.HSet(context.Background(), l.record(j.ID), "cancel", 1)
	if got := wait(t, q, j.ID); got.Status != Canceled {
		t.Errorf("%+v", got)
	}
}

func TestCancelUnknown(t *testing.T) {
	q := newTestQueue(t, startRedis(t).client(), QueueOptions{})
	for _, id := range []string{newID(3), "nonsense", ""} {
		if _, err := q.Cancel(context.Background(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("cancel %q: %v", id, err)
		}
		if _, err := q.Get(context.Background(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("get %q: %v", id, err)
		}
		if _, err := q.Wait(context.Background(), id, time.Second); !errors.Is(err, ErrNotFound) {
			t.Errorf("wait %q: %v", id, err)
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	s := startRedis(t)
	q, other := newTestQueue(t, s.client(), QueueOptions{}), newTestQueue(t, s.client(), QueueOptions{})
	var runs atomic.Int32
	serve(t, s.client(), runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
		runs.Add(1)
		return echo(ctx, r)
	}), ServerOptions{})
	ids := make(chan string, 50)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			q := []*Queue{q, other}[i%2]
			j, err := q.Submit(context.Background(), &Request{Script: "once"}, SubmitOptions{Client: "ann", IdempotencyKey: "k", Reply: true})
			if err == nil {
				j, err = q.Wait(context.Background(), j.ID, time.Minute)
			}
			if err != nil || j.Status != Completed {
				t.Errorf("%+v, %v", j, err)
				return
			}
			ids <- j.ID
		})
	}
	wg.Wait()
	close(ids)
	distinct := map[string]bool{}
	for id := range ids {
		distinct[id] = true
	}
	if len(distinct) != 1 || runs.Load() != 1 {
		t.Errorf("%d jobs, %d runs", len(distinct), runs.Load())
	}
	_, err := q.Submit(context.Background(), &Request{Script: "another"}, SubmitOptions{Client: "ann", IdempotencyKey: "k"})
	if !errors.Is(err, ErrIdempotencyMismatch) {
		t.Errorf("another request under the same key: %v", err)
	}
	_, err = q.Submit(context.Background(), &Request{Script: "once", Priority: High}, SubmitOptions{Client: "ann", IdempotencyKey: "k"})
	if !errors.Is(err, ErrIdempotencyMismatch) {
		t.Errorf("another priority under the same key: %v", err)
	}
	bob := submit(t, q, "another", SubmitOptions{Client: "bob", IdempotencyKey: "k"})
	if distinct[bob.ID] {
		t.Error("another client's key is another key")
	}
}

// TestLostWorker is a worker that is cut off: its lease runs out while it works on. The job runs once more, elsewhere, and
// of the two outcomes one stands.
func TestLostWorker(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, rdb, QueueOptions{})
	cutOff, healthy := newBlocking(), newBlocking()
	serve(t, s.client(), cutOff, ServerOptions{Concurrency: 1})
	j := submit(t, q, "x", SubmitOptions{Reply: true})
	began(t, cutOff)
	serve(t, s.client(), healthy, ServerOptions{Concurrency: 1})
	expireLeases(t, rdb, q.layout)
	began(t, healthy)
	if got, err := q.Get(context.Background(), j.ID); err != nil || got.Status != Running || got.Attempts != 2 {
		t.Errorf("meanwhile: %+v, %v", got, err)
	}
	close(healthy.goOn)
	first := wait(t, q, j.ID)
	if first.Status != Completed || first.Attempts != 2 {
		t.Errorf("%+v", first)
	}
	close(cutOff.goOn)
	// The next job through the same slot is finished after the late outcome was written, or refused.
	wait(t, q, submit(t, q, "y", SubmitOptions{Reply: true}).ID)
	last, err := q.Get(context.Background(), j.ID)
	if err != nil || !last.FinishedAt.Equal(*first.FinishedAt) || last.Attempts != 2 {
		t.Errorf("a second final state: %+v, %v", last, err)
	}
	empty(t, rdb)
}

func TestJobThatKillsItsWorkersEndsCrashed(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, rdb, QueueOptions{})
	run := newBlocking()
	serve(t, s.client(), run, ServerOptions{Concurrency: 4})
	j := submit(t, q, "x", SubmitOptions{Reply: true})
	for range maxLost {
		began(t, run)
		expireLeases(t, rdb, q.layout)
	}
	got := wait(t, q, j.ID)
	if got.Status != Failed || got.Error == nil || got.Error.Code != Crashed || got.Attempts != maxLost || got.FinishedAt == nil {
		t.Errorf("%+v %+v", got, got.Error)
	}
	close(run.goOn)
	empty(t, rdb)
}

// expireLeases makes it as if the workers had not been heard of for half a minute, and sweeps before they are heard again.
func expireLeases(t *testing.T, rdb redis.UniversalClient, y layout) {
	t.Helper()
	ctx := context.Background()
	for l := range y.lanes {
		for _, p := range priorities {
			k := lane(l).asynq(p) + "lease"
			for _, id := range rdb.ZRange(ctx, k, 0, -1).Val() {
				if err := rdb.ZAddXX(ctx, k, redis.Z{Score: 1, Member: id}).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := newBroker(rdb, y, 1, testLog(t)).sweep(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestRunnerErrorIsTriedAgain(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	var runs atomic.Int32
	serve(t, s.client(), runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
		switch {
		case runs.Add(1) == 1:
			return nil, errors.New("no jail")
		case r.Script == "panics":
			panic("at the disco")
		}
		return echo(ctx, r)
	}), ServerOptions{})
	if j := wait(t, q, submit(t, q, "x", SubmitOptions{Reply: true}).ID); j.Status != Completed || j.Attempts != 2 {
		t.Errorf("%+v", j)
	}
	j := wait(t, q, submit(t, q, "panics", SubmitOptions{Reply: true}).ID)
	if j.Status != Failed || j.Error == nil || j.Error.Code != Internal || j.Attempts != maxErrors {
		t.Errorf("%+v %+v", j, j.Error)
	}
	empty(t, s.client())
}

func TestOutcomes(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	content := "hi"
	outcomes := map[string]*Outcome{
		"raises": {Stdout: "a", Stderr: "b", Error: &Error{Code: Exception, Message: "m", Line: 3, Traceback: "t"},
			Truncated: Truncated{Stdout: true}},
		"nothing":  {},
		"not json": {Result: []byte("{"), Stdout: "kept"},
		"large":    {Result: []byte(`1`), Stdout: strings.Repeat("x", 4*maxPublished)},
		"files":    {Result: []byte(`{"a":[1]}`), Files: []ResultFile{{Path: "x.txt", Size: 2, Content: &content}, {Path: "y", Reason: TooMany}}},
	}
	serve(t, s.client(), runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) { return outcomes[r.Script], nil }),
		ServerOptions{})
	got := map[string]*Job{}
	for name := range outcomes {
		got[name] = wait(t, q, submit(t, q, name, SubmitOptions{Reply: true}).ID)
	}
	if j := got["raises"]; j.Status != Failed || *j.Error != *outcomes["raises"].Error || j.Stdout != "a" || j.Stderr != "b" ||
		!j.Truncated.Stdout {
		t.Errorf("raises: %+v", j)
	}
	if j := got["nothing"]; j.Status != Completed || string(j.Result) != "null" {
		t.Errorf("nothing: %+v", j)
	}
	if j := got["not json"]; j.Status != Failed || j.Error.Code != Internal || j.Stdout != "kept" {
		t.Errorf("not json: %+v", j)
	}
	if j := got["large"]; j.Status != Completed || len(j.Stdout) != 4*maxPublished {
		t.Errorf("large: %s, %d bytes", j.Status, len(j.Stdout))
	}
	if j := got["files"]; len(j.Files) != 2 || *j.Files[0].Content != "hi" || j.Files[1].Content != nil || j.Files[1].Reason != TooMany ||
		string(j.Result) != `{"a":[1]}` {
		t.Errorf("files: %+v", j)
	}
}

func TestGracefulStop(t *testing.T) {
	for _, c := range []struct {
		name     string
		grace    time.Duration
		attempts int
	}{{"finishes", time.Minute, 1}, {"queues again", time.Millisecond, 2}} {
		t.Run(c.name, func(t *testing.T) {
			s := startRedis(t)
			q := newTestQueue(t, s.client(), QueueOptions{})
			run := newBlocking()
			stop := serve(t, s.client(), run, ServerOptions{Concurrency: 1, StopGrace: c.grace})
			j := submit(t, q, "x", SubmitOptions{Reply: true})
			began(t, run) // before the other is there, which lies in a lane of its own
			waiting := submit(t, q, "y", SubmitOptions{Reply: true})
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				stop()
			}()
			if c.attempts == 1 {
				close(run.goOn)
			}
			<-stopped
			serve(t, s.client(), runnerFunc(echo), ServerOptions{})
			if got := wait(t, q, j.ID); got.Status != Completed || got.Attempts != c.attempts {
				t.Errorf("%+v", got)
			}
			wait(t, q, waiting.ID)
			empty(t, s.client())
		})
	}
}

func TestRequestWayThere(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	got := make(chan *Request, 1)
	serve(t, s.client(), runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
		got <- r
		return echo(ctx, r)
	}), ServerOptions{})
	want := &Request{
		Script: "def main(): pass  # \u00e9\u4e16\x00", Args: []byte(`{"a":[1,2.5,"x"]}`), Stdin: "in", Priority: Low,
		Files:  []File{{Path: "a/b.bin", Content: "AAE=", Encoding: "base64"}, {Path: "big", Content: strings.Repeat("x", 5<<20)}},
		Limits: Limits{TimeoutMS: 5, MemoryMB: 7}, Mode: Program, StopOnFailure: true,
	}
	j, err := q.Submit(context.Background(), want, SubmitOptions{Reply: true})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, q, j.ID)
	r := <-got
	r.Began = nil // the handler's own
	if !reflect.DeepEqual(r, want) {
		t.Error("the request arrived changed")
	}
}

// TestMemoryReturns: what a job leaves behind goes with its TTL.
func TestMemoryReturns(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, s.client(), QueueOptions{ResultTTL: 2 * time.Second})
	serve(t, s.client(), runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
		return &Outcome{Result: []byte("1"), Stdout: r.Script}, nil
	}), ServerOptions{Concurrency: 4})
	ctx := context.Background()
	wait(t, q, submit(t, q, "x", SubmitOptions{Reply: true}).ID)
	keys := func() int64 { return rdb.DBSize(ctx).Val() }
	for i := range 200 {
		j := submit(t, q, strings.Repeat("x", 100<<10), SubmitOptions{Reply: true, Client: "ann", IdempotencyKey: fmt.Sprint(i)})
		wait(t, q, j.ID)
	}
	var left []string
	eventually(t, 15*time.Second, "records and indexes are gone", func() bool {
		left = rdb.Keys(ctx, "safepy:{lane*").Val()
		return len(left) == 0
	})
	t.Logf("%d keys left: asynq's counters and heartbeat", keys())
	if n := keys(); n > 60 {
		t.Errorf("%d keys left", n)
	}
}
