package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func busy(t *testing.T, err error, scope string) *BusyError {
	t.Helper()
	var b *BusyError
	if !errors.As(err, &b) || b.Scope != scope || b.RetryAfter < time.Second || b.RetryAfter > time.Minute {
		t.Fatalf("got %v, want busy (%s) with a time to retry", err, scope)
	}
	return b
}

func TestQueueLimit(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{Limit: 10})
	var first *Job
	for i := range 10 {
		j := submit(t, q, fmt.Sprint(i), SubmitOptions{})
		if first == nil {
			first = j
		}
	}
	_, err := q.Submit(context.Background(), &Request{Script: "one more"}, SubmitOptions{})
	busy(t, err, "service")
	if _, err := q.Cancel(context.Background(), first.ID); err != nil {
		t.Fatal(err)
	}
	submit(t, q, "there is room again", SubmitOptions{})
}

// TestQueueLimitUnderLoad: one process never exceeds the limit, two hardly.
func TestQueueLimitUnderLoad(t *testing.T) {
	for _, apis := range []int{1, 2} {
		s := startRedis(t)
		const limit = 200
		var accepted atomic.Int32
		var wg sync.WaitGroup
		last := newTestQueue(t, s.client(), QueueOptions{Limit: limit})
		for range apis {
			q := newTestQueue(t, s.client(), QueueOptions{Limit: limit})
			for range 16 {
				wg.Go(func() {
					for range 50 {
						_, err := q.Submit(context.Background(), &Request{Script: "x"}, SubmitOptions{})
						var b *BusyError
						if err == nil {
							accepted.Add(1)
						} else if !errors.As(err, &b) {
							t.Error(err)
						}
					}
				})
			}
		}
		wg.Wait()
		// In the crowd some were refused for places that others only seemed to take. They are free now.
		eventually(t, 10*time.Second, "the queue is full", func() bool {
			_, err := last.Submit(context.Background(), &Request{Script: "x"}, SubmitOptions{})
			if err == nil {
				accepted.Add(1)
			}
			d, depthErr := last.Depth(context.Background())
			return err != nil && depthErr == nil && d.Waiting[Default] >= limit
		})
		most := limit
		if apis > 1 {
			most = 2 * limit // what the other accepts between two looks, and the looks are 50 ms apart
		}
		if n := int(accepted.Load()); n < limit || n > most {
			t.Errorf("%d processes accepted %d with a limit of %d", apis, n, limit)
		}
	}
}

// TestRetryAfterFollowsTheDrainRate: a queue that moves fast asks for less patience than one that moves slowly.
func TestRetryAfterFollowsTheDrainRate(t *testing.T) {
	b := &backlog{limit: 1000, waiting: 1000, layout: layout{lanes: minLanes}}
	unknown := b.retryAfter()
	at := time.Unix(1000, 0)
	b.drained(at, 0)
	b.drained(at.Add(time.Second), 500)
	fast := b.retryAfter()
	for i := 1; i <= 120; i++ {
		b.drained(at.Add(time.Duration(1+i)*time.Second), 500+int64(i)*5)
	}
	slow := b.retryAfter()
	t.Logf("unknown %s, at 500/s %s, at 5/s %s", unknown, fast, slow)
	if fast != time.Second || slow < 10*time.Second || slow > 30*time.Second || unknown < fast {
		t.Errorf("unknown %s, at 500/s %s, at 5/s %s", unknown, fast, slow)
	}
	b.rate = 1e-9
	if got := b.retryAfter(); got != time.Minute {
		t.Errorf("hardly moving: %s", got)
	}
}

// TestBurstIsSpread: jobs that are submitted at the same time choose their lanes knowing of one another, or some of them would wait for
// many that came later.
func TestBurstIsSpread(t *testing.T) {
	b := newBacklog(startRedis(t).client(), layout{lanes: minLanes}, 0)
	defer b.close()
	const each = 8
	var burst []*reservation
	got := map[lane]int{}
	for range each * minLanes {
		r, err := b.reserve(context.Background(), Default)
		if err != nil {
			t.Fatal(err)
		}
		burst = append(burst, r)
		got[r.lane]++
	}
	for l := range lane(minLanes) {
		if got[l] != each {
			t.Errorf("lane %d was chosen %d times of %d", l, got[l], len(burst))
		}
	}
	// What was reserved for others and given up is no reason to leave a lane.
	for _, r := range burst {
		if r.lane == 5 {
			r.release()
		}
	}
	for range each {
		r, err := b.reserve(context.Background(), Default)
		if err != nil {
			t.Fatal(err)
		}
		if r.lane != 5 {
			t.Errorf("lane %d was chosen, and 5 is empty", r.lane)
		}
	}
	if r, err := b.reserve(context.Background(), High); err != nil || b.reserved[r.lane][High.rank()] != 1 {
		t.Errorf("another priority: %+v, error %v", r, err)
	}
}

func TestClientInFlight(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, rdb, QueueOptions{ClientInFlight: 3})
	var ids []string
	for i := range 3 {
		ids = append(ids, submit(t, q, fmt.Sprint(i), SubmitOptions{Client: "ann", Reply: true}).ID)
	}
	_, err := q.Submit(context.Background(), &Request{Script: "x"}, SubmitOptions{Client: "ann"})
	busy(t, err, "key")
	submit(t, q, "another client", SubmitOptions{Client: "bob"})
	submit(t, q, "nobody in particular", SubmitOptions{})
	serve(t, s.client(), runnerFunc(echo), ServerOptions{})
	for _, id := range ids {
		wait(t, q, id)
	}
	eventually(t, 5*time.Second, "finished jobs make room", func() bool {
		return rdb.ZCard(context.Background(), clientJobs("ann")).Val() == 0
	})
	submit(t, q, "room", SubmitOptions{Client: "ann"})
}

// TestClientInFlightIsRecounted: jobs that ended without being taken out of their client's set do not count for ever.
func TestClientInFlightIsRecounted(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, rdb, QueueOptions{ClientInFlight: 2})
	ctx := context.Background()
	for range 2 {
		stale := newID(1)
		rdb.ZAdd(ctx, clientJobs("ann"), z(1, stale))
	}
	submit(t, q, "x", SubmitOptions{Client: "ann"})
	submit(t, q, "x", SubmitOptions{Client: "ann"})
	_, err := q.Submit(ctx, &Request{Script: "x"}, SubmitOptions{Client: "ann"})
	busy(t, err, "key")
}

func TestRepetitionIsAnsweredAtTheLimit(t *testing.T) {
	q := newTestQueue(t, startRedis(t).client(), QueueOptions{ClientInFlight: 1, Limit: 1})
	first := submit(t, q, "x", SubmitOptions{Client: "ann", IdempotencyKey: "k"})
	again := submit(t, q, "x", SubmitOptions{Client: "ann", IdempotencyKey: "k"})
	if again.ID != first.ID || again.Client != "ann" {
		t.Errorf("%+v", again)
	}
}

func TestClientPerSecond(t *testing.T) {
	q := newTestQueue(t, startRedis(t).client(), QueueOptions{ClientPerSecond: 5})
	accepted := 0
	began := time.Now()
	var last error
	for range 50 {
		if _, last = q.Submit(context.Background(), &Request{Script: "x"}, SubmitOptions{Client: "ann"}); last == nil {
			accepted++
		}
	}
	most := 5 + int(5*time.Since(began).Seconds()) + 1
	if accepted < 5 || accepted > most {
		t.Errorf("%d accepted in %s", accepted, time.Since(began))
	}
	busy(t, last, "key")
	submit(t, q, "another client", SubmitOptions{Client: "bob"})
}

// TestFairShare: two clients' many jobs delay others' one by a couple of jobs, with idempotency keys or without.
func TestFairShare(t *testing.T) {
	others := []string{"bob", "cid", "dan", "eve"}
	for _, c := range []struct {
		name          string
		floods, alone bool // with keys
	}{{"no keys", false, false}, {"keys in the floods", true, false}, {"keys outside", false, true}, {"keys everywhere", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			s := startRedis(t)
			q := newTestQueue(t, s.client(), QueueOptions{})
			send := func(client, script string, keyed bool) string {
				o := SubmitOptions{Client: client, Reply: true}
				if keyed {
					o.IdempotencyKey = script
				}
				return submit(t, q, script, o).ID
			}
			for _, client := range []string{"ann", "ann2"} {
				for i := range 300 {
					send(client, fmt.Sprint(client, "-", i), c.floods)
				}
			}
			var ids []string
			for _, client := range others {
				ids = append(ids, send(client, client, c.alone))
			}
			run := &recorder{}
			serve(t, s.client(), run, ServerOptions{Concurrency: 1})
			for _, id := range ids {
				wait(t, q, id)
			}
			order := run.ran()
			worst := 0
			for _, client := range others {
				before := 0
				for _, o := range order[:slices.Index(order, client)] {
					if strings.HasPrefix(o, "ann") {
						before++
					}
				}
				worst = max(worst, before)
			}
			t.Logf("after %d jobs of the two at most", worst)
			// One of each, when their lanes are first in turn.
			if worst > 2 {
				t.Errorf("ran after %d jobs of the two", worst)
			}
		})
	}
}

func TestList(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	ctx := context.Background()
	var want []string
	for i := range 25 {
		want = append(want, submit(t, q, fmt.Sprint(i), SubmitOptions{Client: []string{"ann", "bob"}[i%2]}).ID)
	}
	slices.Reverse(want)
	if _, err := q.Cancel(ctx, want[3]); err != nil {
		t.Fatal(err)
	}
	var got []string
	o := ListOptions{Limit: 10}
	for pages := 0; pages < 10; pages++ {
		page, err := q.List(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range page.Jobs {
			got = append(got, j.ID)
		}
		if o.Cursor = page.Next; o.Cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for _, c := range []struct {
		o    ListOptions
		want int
	}{{ListOptions{Status: Canceled}, 1}, {ListOptions{Status: Queued}, 24}, {ListOptions{Status: Completed}, 0},
		{ListOptions{Client: "bob"}, 12}} {
		page, err := q.List(ctx, c.o)
		if err != nil || len(page.Jobs) != c.want || page.Next != "" {
			t.Errorf("%+v: %d jobs, next %q, %v", c.o, len(page.Jobs), page.Next, err)
		}
	}
	for _, cursor := range []string{"x", "1_", "_", "1_nonsense"} {
		if _, err := q.List(ctx, ListOptions{Cursor: cursor}); !errors.Is(err, ErrBadCursor) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}

func TestReady(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	ctx := context.Background()
	if err := q.Ready(ctx); err == nil || !strings.Contains(err.Error(), "worker") {
		t.Errorf("without a worker: %v", err)
	}
	stop := serve(t, s.client(), runnerFunc(echo), ServerOptions{})
	eventually(t, 5*time.Second, "ready", func() bool { return q.Ready(ctx) == nil })
	wide := newTestQueue(t, s.client(), QueueOptions{Shards: minLanes + 1})
	if err := wide.Ready(ctx); err == nil || !strings.Contains(err.Error(), "shards") {
		t.Errorf("with lanes that no worker serves: %v", err)
	}
	// A worker that serves them, and is then restarted with fewer, beside the one that never did.
	stopWide := serve(t, s.client(), runnerFunc(echo), ServerOptions{Shards: minLanes + 1})
	eventually(t, 5*time.Second, "ready with one worker of two that serves all", func() bool { return wide.Ready(ctx) == nil })
	stopWide()
	if err := wide.Ready(ctx); err == nil || !strings.Contains(err.Error(), "shards") {
		t.Errorf("after the worker with as many lanes left: %v", err)
	}
	if err := q.Ready(ctx); err != nil {
		t.Errorf("with as many lanes as there were: %v", err)
	}
	stop()
	if err := q.Ready(ctx); err == nil {
		t.Error("ready after the last worker left")
	}
	s.kill()
	if err := q.Ready(ctx); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without Redis: %v", err)
	}
}

func TestDepth(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	run := newBlocking()
	serve(t, s.client(), run, ServerOptions{Concurrency: 1})
	submit(t, q, "runs", SubmitOptions{})
	began(t, run)
	for _, p := range []Priority{High, Low, Low} {
		if _, err := q.Submit(context.Background(), &Request{Script: "waits", Priority: p}, SubmitOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	d, err := q.Depth(context.Background())
	if err != nil || d.Running != 1 || d.Waiting[High] != 1 || d.Waiting[Default] != 0 || d.Waiting[Low] != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	close(run.goOn)
}
