package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// tally is a Runner whose jobs take as long as their script says, and which counts who had how many slots and how much time.
type tally struct {
	mu    sync.Mutex
	now   map[string]int
	most  map[string]int
	used  map[string]time.Duration
	order []string
}

func (r *tally) Run(ctx context.Context, q *Request) (*Outcome, error) {
	who, length, _ := strings.Cut(q.Script, " ")
	d, err := time.ParseDuration(length)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	r.mu.Lock()
	r.now[who]++
	r.most[who] = max(r.most[who], r.now[who])
	r.order = append(r.order, who)
	r.mu.Unlock()
	select {
	case <-time.After(d): // the job's own length
	case <-ctx.Done():
	}
	r.mu.Lock()
	r.now[who]--
	r.used[who] += time.Since(began)
	r.mu.Unlock()
	return echo(ctx, q)
}

func newTally() *tally {
	return &tally{now: map[string]int{}, most: map[string]int{}, used: map[string]time.Duration{}}
}

// loop sends a client's jobs over some connections until ctx ends, and returns how many there were.
func loop(ctx context.Context, t *testing.T, q *Queue, connections int, r Request, o SubmitOptions) int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	done := 0
	o.Reply = true
	for range connections {
		wg.Go(func() {
			for ctx.Err() == nil {
				j, err := q.Submit(context.Background(), &r, o)
				if errors.Is(err, ErrUnavailable) {
					continue // a busy machine's Redis
				}
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := q.Wait(context.Background(), j.ID, time.Minute); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				done++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return done
}

// TestSlotTimeIsShared: a client of long jobs and one of short ones have as much slot time each, over two workers as in one, whatever
// priority the first gives its jobs; and where there are two slots it never has both.
func TestSlotTimeIsShared(t *testing.T) {
	for _, c := range []struct {
		name     string
		workers  []int // slots
		priority Priority
	}{{"one slot", []int{1}, Default}, {"two slots", []int{2}, High}, {"two workers", []int{1, 1}, High}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startRedis(t)
			q, run := newTestQueue(t, s.client(), QueueOptions{}), newTally()
			slots := 0
			for _, n := range c.workers {
				serve(t, s.client(), run, ServerOptions{Concurrency: n})
				slots += n
			}
			rdb := s.client()
			eventually(t, 10*time.Second, "the slots are counted", func() bool {
				n, _ := rdb.HGet(context.Background(), globalBook, "slots").Int()
				return n == slots
			})
			ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
			defer cancel()
			var wg sync.WaitGroup
			wg.Go(func() { loop(ctx, t, q, 2, Request{Script: "honest 5ms"}, SubmitOptions{Address: "192.0.2.1"}) })
			eventually(t, 10*time.Second, "the first is there", func() bool {
				run.mu.Lock()
				defer run.mu.Unlock()
				return run.used["honest"] > 0
			})
			wg.Go(func() {
				loop(ctx, t, q, 4, Request{Script: "greedy 400ms", Priority: c.priority}, SubmitOptions{Address: "192.0.2.2"})
			})
			wg.Wait()
			honest, greedy := run.used["honest"], run.used["greedy"]
			t.Logf("honest %s, greedy %s and %d slots at most", honest, greedy, run.most["greedy"])
			// Of what a client's way to its next job costs, the loop has more than the slots on a busy machine.
			if honest < greedy/4 {
				t.Errorf("the honest client had %s of slot time beside %s", honest, greedy)
			}
			if slots > 1 && run.most["greedy"] >= slots {
				t.Errorf("the greedy client had %d of %d slots", run.most["greedy"], slots)
			}
		})
	}
}

// TestAloneOnAllSlots: nothing is kept free for nobody.
func TestAloneOnAllSlots(t *testing.T) {
	s := startRedis(t)
	q, run := newTestQueue(t, s.client(), QueueOptions{}), newTally()
	serve(t, s.client(), run, ServerOptions{Concurrency: 2})
	var ids []string
	for range 8 {
		ids = append(ids, submit(t, q, "alone 50ms", SubmitOptions{Client: "ann", Reply: true}).ID)
	}
	doneAtOnce(t, q, ids...)
	if run.most["alone"] != 2 {
		t.Errorf("a client alone had %d of 2 slots", run.most["alone"])
	}
}

// TestPriorityIsWithinAShare: who calls all of its jobs high is before its own, and not before others.
func TestPriorityIsWithinAShare(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	var ids []string
	for range 20 {
		for client, p := range map[string]Priority{"high": High, "low": Low} {
			j, err := q.Submit(context.Background(), &Request{Script: client + " 15ms", Priority: p}, SubmitOptions{Client: client, Reply: true})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, j.ID)
		}
	}
	run := newTally()
	serve(t, s.client(), run, ServerOptions{Concurrency: 1})
	doneAtOnce(t, q, ids...)
	half := run.order[:20]
	if n := len(half) - len(slices.DeleteFunc(slices.Clone(half), func(who string) bool { return who == "high" })); n < 6 || n > 14 {
		t.Errorf("of the first 20 jobs %d were of the client that calls all of them high", n)
	}
}

// TestQueueShare: one client's thousand leave the queue open for others, and each of them room for the next.
func TestQueueShare(t *testing.T) {
	q := newTestQueue(t, startRedis(t).client(), QueueOptions{Limit: 100, Share: 0.5})
	fill := func(client string) (n int) {
		for {
			_, err := q.Submit(context.Background(), &Request{Script: "x"}, SubmitOptions{Address: client})
			if b := (*BusyError)(nil); errors.As(err, &b) {
				busy(t, err, "share")
				return n
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	for _, c := range []struct {
		client string
		want   int
	}{{"a", 50}, {"b", 25}, {"c", 12}} {
		// What is known of the others' jobs is up to 50 ms old, and then a client is let in with more than its share.
		eventually(t, 5*time.Second, "what waits is known", func() bool { return q.backlog.refresh(context.Background()) == nil })
		if n := fill(c.client); n < c.want-2 || n > c.want+2 {
			t.Errorf("client %s: %d jobs, want %d", c.client, n, c.want)
		}
	}
}

// TestBookIsMadeAnew: what came into the queues by another way, and what the book has wrong, is put right.
func TestBookIsMadeAnew(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	ctx := context.Background()
	q := newTestQueue(t, rdb, QueueOptions{})
	var ids []string
	for i := range 5 {
		ids = append(ids, submit(t, q, fmt.Sprint(i), SubmitOptions{Client: []string{"ann", "bob"}[i%2], Reply: true}).ID)
	}
	for _, key := range rdb.Keys(ctx, "safepy:*").Val() {
		if key == globalBook || key == "safepy:turns" || strings.HasPrefix(key, "safepy:waiting:") {
			rdb.Del(ctx, key)
		}
	}
	serve(t, rdb, runnerFunc(echo), ServerOptions{Concurrency: 1})
	doneAtOnce(t, q, ids...)
	rdb.HSet(ctx, globalBook, "busy", 7, "bytes", 1<<40, "audited", 0, "running:"+shareOf(SubmitOptions{Client: "ann"}), 7)
	eventually(t, 20*time.Second, "a sweep makes the book anew", func() bool {
		book := rdb.HGetAll(ctx, globalBook).Val()
		return book["busy"] == "0" && book["bytes"] == "0" && book["running:"+shareOf(SubmitOptions{Client: "ann"})] == ""
	})
	accounted(t, rdb)
}

// TestDamagedRecordsInTheBook: records that have lost what the book needs, that are gone or have become something else hold up nobody, and
// leave nothing in the book.
func TestDamagedRecordsInTheBook(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	ctx := context.Background()
	q := newTestQueue(t, rdb, QueueOptions{})
	damage := []func(key string) error{
		func(key string) error { return rdb.HDel(ctx, key, "p", "len", "sh", "ttl", "n").Err() },
		func(key string) error {
			return rdb.HSet(ctx, key, "p", "x", "len", "-inf", "sh", "a:b", "ttl", "x", "n", "x").Err()
		},
		func(key string) error { return rdb.HSet(ctx, key, "p", lane(0).pending(Low), "len", "nan").Err() },
		func(key string) error { return rdb.Set(ctx, key, "garbage", 0).Err() },
		func(key string) error { return rdb.Del(ctx, key).Err() },
		func(string) error { return nil },
	}
	var ids []string
	for i, f := range damage {
		j := submit(t, q, fmt.Sprint(i), SubmitOptions{Client: "ann", Reply: true})
		l, _ := laneOf(j.ID)
		if err := f(l.record(j.ID)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, j.ID)
	}
	serve(t, rdb, runnerFunc(echo), ServerOptions{Concurrency: 1})
	doneAtOnce(t, q, ids[0], ids[1], ids[2], ids[5])
	after := submit(t, q, "after", SubmitOptions{Client: "bob", Reply: true})
	doneAtOnce(t, q, after.ID)
	if err := rdb.HSet(ctx, globalBook, "audited", 0).Err(); err != nil {
		t.Fatal(err)
	}
	empty(t, rdb)
	eventually(t, 20*time.Second, "the book is made anew", func() bool {
		n, _ := rdb.HGet(ctx, globalBook, "audited").Int64()
		return n > 0
	})
	accounted(t, rdb)
}

// accounted checks that the book of shares says that nothing waits, runs or is kept of requests.
func accounted(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	ctx := context.Background()
	var wrong []string
	eventually(t, 10*time.Second, "the book is even", func() bool {
		wrong = nil
		for field, value := range rdb.HGetAll(ctx, globalBook).Val() {
			kind, _, _ := strings.Cut(field, ":")
			if slices.Contains([]string{"busy", "bytes", "running", "waiting"}, kind) && value != "0" {
				wrong = append(wrong, field+"="+value)
			}
		}
		return len(wrong) == 0
	})
	if n := rdb.Exists(ctx, "safepy:turns").Val(); n != 0 {
		t.Error("a share is in turn, and nothing waits")
	}
}
