package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// inList waits until a worker is among those with free slots, and returns its channel.
func inList(t *testing.T, rdb redis.UniversalClient) string {
	t.Helper()
	var free []redis.Z
	eventually(t, 10*time.Second, "a worker is among those with free slots", func() bool {
		free = rdb.ZRangeWithScores(context.Background(), globalFree, 0, -1).Val()
		return len(free) == 1 && free[0].Score > 0
	})
	return free[0].Member.(string)
}

// waiting is a broker that listens and has found nothing to do: what it is dispatched nobody runs.
func waiting(t *testing.T, rdb redis.UniversalClient, y layout, slots int) *broker {
	t.Helper()
	b, _ := waitingUntil(t, rdb, y, slots)
	return b
}

// waitingUntil returns how to have it receive no more, too.
func waitingUntil(t *testing.T, rdb redis.UniversalClient, y layout, slots int) (b *broker, leave func()) {
	t.Helper()
	b = newBroker(rdb, y, slots, testLog(t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.receive(ctx)
	}()
	leave = func() {
		cancel()
		<-done
	}
	t.Cleanup(leave)
	eventually(t, 10*time.Second, "the worker listens", func() bool { return b.slots.listensOn() != "" })
	if err := b.poll(ctx); err != nil {
		t.Fatal(err)
	}
	return b, leave
}

func dispatched(t *testing.T, b *broker) *claim {
	t.Helper()
	var c *claim
	eventually(t, 10*time.Second, "the job is dispatched", func() bool {
		c = b.slots.next().begin
		return c != nil
	})
	return c
}

func listed(b *broker) bool {
	b.slots.mu.Lock()
	defer b.slots.mu.Unlock()
	return b.slots.listed
}

// arrivals counts the jobs that came on the worker's channel.
func arrivals(b *broker) int {
	b.slots.mu.Lock()
	defer b.slots.mu.Unlock()
	return b.slots.arrived
}

func queued(t *testing.T, q *Queue, id string) {
	t.Helper()
	eventually(t, 10*time.Second, "the job waits in its queue", func() bool {
		j, err := q.Get(context.Background(), id)
		return err == nil && j.Status == Queued
	})
}

func doneAtOnce(t *testing.T, q *Queue, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if j := wait(t, q, id); j.Status != Completed || j.Attempts != 1 {
			t.Errorf("%+v", j)
		}
	}
}

func TestDispatched(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	b := waiting(t, rdb, q.layout, 1)
	j, err := q.Submit(context.Background(), &Request{Script: "x\n1 2"}, SubmitOptions{Client: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	second := submit(t, q, "y", SubmitOptions{})
	c := dispatched(t, b)
	if c.id != j.ID || c.client != "ann" || c.attempt != 1 || !strings.Contains(c.request, `x\n1 2`) || !c.created.Equal(j.CreatedAt) ||
		!c.started.Equal(c.created) {
		t.Errorf("%+v", c)
	}
	got, err := q.Get(context.Background(), j.ID)
	if err != nil || got.Status != Running || got.Attempts != 1 || got.StartedAt == nil {
		t.Errorf("%+v, %v", got, err)
	}
	queued(t, q, second.ID)
	if n := rdb.Exists(context.Background(), globalFree).Val(); n != 0 {
		t.Error("the list is not emptied by a job that has to wait")
	}
	if err := b.returned(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	serve(t, rdb, runnerFunc(echo), ServerOptions{})
	doneAtOnce(t, q, j.ID, second.ID)
	empty(t, rdb)
}

// TestFreeOnce: the answer to a finished job may be lost, and it be finished again.
func TestFreeOnce(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	b := waiting(t, rdb, q.layout, 2)
	j := submit(t, q, "x", SubmitOptions{})
	c := dispatched(t, b)
	doc, apart, err := encodeDocument(document(c, Completed, &Outcome{Result: json.RawMessage("1")}, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		won, err := b.finish(context.Background(), c, ending{status: Completed, finished: time.Now(), doc: doc, apart: apart})
		if won != (i == 0) || err != nil {
			t.Errorf("%v, %v", won, err)
		}
		if free := rdb.ZScore(context.Background(), globalFree, b.slots.listensOn()).Val(); free != 2 {
			t.Errorf("%v slots are free", free)
		}
	}
	if listed(b) {
		t.Error("the later answers did not say that the worker has become free by them")
	}
	if got, err := q.Get(context.Background(), j.ID); err != nil || got.Status != Completed {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestNotDispatched: these wait in their queues, though a worker has free slots.
func TestNotDispatched(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	b := waiting(t, rdb, q.layout, 4)
	for l := range q.layout.lanes {
		rdb.Set(context.Background(), lane(l).asynq(Low)+"paused", 1, 0)
	}
	paused, err := q.Submit(context.Background(), &Request{Script: "x", Priority: Low}, SubmitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	long := submit(t, q, strings.Repeat("#", maxDispatched), SubmitOptions{})
	queued(t, q, paused.ID)
	queued(t, q, long.ID)
	if c := b.slots.next().begin; c != nil {
		t.Errorf("%s was dispatched", c.id)
	}
}

// TestDispatchedToNobody: a worker that is gone is taken off the list by the first job for it, which another one gets.
func TestDispatchedToNobody(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	ctx := context.Background()
	rdb.ZAdd(ctx, globalFree, z(5, "safepy:worker:gone"), z(3, "safepy:worker:gone too"))
	first := submit(t, q, "x", SubmitOptions{Reply: true})
	queued(t, q, first.ID)
	if n := rdb.ZCard(ctx, globalFree).Val(); n != 0 {
		t.Errorf("%d workers that are gone are listed", n)
	}
	serve(t, rdb, runnerFunc(echo), ServerOptions{})
	doneAtOnce(t, q, first.ID)
	inList(t, rdb)
	rdb.ZAdd(ctx, globalFree, z(5, "safepy:worker:gone"))
	began := time.Now()
	doneAtOnce(t, q, submit(t, q, "x", SubmitOptions{Reply: true}).ID)
	if took := time.Since(began); took > slowPoll/2 {
		t.Errorf("took %s", took)
	}
}

// TestWithdraw: what a stopping worker was dispatched is there for others at once, and so is what still comes.
func TestWithdraw(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	b, leave := waitingUntil(t, rdb, q.layout, 2)
	ctx := context.Background()
	first := submit(t, q, "x", SubmitOptions{Reply: true})
	eventually(t, 10*time.Second, "the job is dispatched", func() bool { return arrivals(b) == 1 })
	b.waiter.release()
	late := submit(t, q, "y", SubmitOptions{Reply: true})
	queued(t, q, late.ID)
	channel := b.slots.listensOn()
	leave()
	if err := b.leaveUnbegun(ctx); err != nil {
		t.Fatal(err)
	}
	queued(t, q, first.ID)
	if n := rdb.Exists(ctx, globalFree, channel).Val(); n != 0 {
		t.Errorf("%d keys are left of it", n)
	}
	serve(t, rdb, runnerFunc(echo), ServerOptions{})
	doneAtOnce(t, q, first.ID, late.ID)
	empty(t, rdb)
}

// TestLateDelivery: a job that has been long on its way goes back, and is no attempt.
func TestLateDelivery(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	b := waiting(t, rdb, q.layout, 2)
	b.slots.mu.Lock()
	b.slots.ahead += 2 * staleDelivery
	b.slots.mu.Unlock()
	j := submit(t, q, "x", SubmitOptions{Reply: true})
	queued(t, q, j.ID)
	if c := b.slots.next().begin; c != nil {
		t.Errorf("%s was taken", c.id)
	}
	serve(t, rdb, runnerFunc(echo), ServerOptions{})
	doneAtOnce(t, q, j.ID)
}

// TestReturnedTwice: the answer to the first time was lost, and the job is somebody else's by now.
func TestReturnedTwice(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	b := waiting(t, rdb, q.layout, 1)
	ctx := context.Background()
	j := submit(t, q, "x", SubmitOptions{})
	c := dispatched(t, b)
	if err := b.returned(ctx, c); err != nil {
		t.Fatal(err)
	}
	if err := b.poll(ctx); err != nil {
		t.Fatal(err)
	}
	if c := b.slots.next().begin; c == nil || c.id != j.ID || c.attempt != 1 {
		t.Fatalf("%+v", c)
	}
	if err := b.returned(ctx, c); err != nil {
		t.Fatal(err)
	}
	if got, err := q.Get(ctx, j.ID); err != nil || got.Status != Running || got.Attempts != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestDispatchedTooMany: a list that is wrong costs no job its time.
func TestDispatchedTooMany(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	run := newBlocking()
	serve(t, rdb, run, ServerOptions{Concurrency: 1})
	rdb.ZAdd(context.Background(), globalFree, z(3, inList(t, rdb)))
	var ids []string
	for i := range 4 {
		ids = append(ids, submit(t, q, fmt.Sprint(i), SubmitOptions{Reply: true}).ID)
	}
	began(t, run)
	serve(t, rdb, runnerFunc(echo), ServerOptions{Concurrency: 1})
	doneAtOnce(t, q, ids[1:]...)
	close(run.goOn)
	doneAtOnce(t, q, ids[0])
}

// TestBursts: looks and jobs that are on their way cross, and nobody is given more than he has slots for.
func TestBursts(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	var mu sync.Mutex
	most, now := map[int]int{}, map[int]int{}
	for i := range 2 {
		serve(t, s.client(), runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
			mu.Lock()
			now[i]++
			most[i] = max(most[i], now[i])
			mu.Unlock()
			defer func() {
				mu.Lock()
				now[i]--
				mu.Unlock()
			}()
			return echo(ctx, r)
		}), ServerOptions{Concurrency: 2})
	}
	for round := range 60 {
		ids := make([]string, 3+round%8)
		var submitters sync.WaitGroup
		for i := range ids {
			submitters.Go(func() {
				j, err := q.Submit(context.Background(), &Request{Script: fmt.Sprint(round, "-", i)}, SubmitOptions{Reply: true})
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = j.ID
			})
		}
		submitters.Wait()
		doneAtOnce(t, q, ids...)
	}
	if most[0] > 2 || most[1] > 2 {
		t.Errorf("%v jobs at a time in workers of two slots", most)
	}
	empty(t, s.client())
}

// TestChannelBreaks: jobs go the other way until the worker listens again, and then this one.
func TestChannelBreaks(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	serve(t, rdb, runnerFunc(echo), ServerOptions{})
	ctx := context.Background()
	for range 5 {
		former := inList(t, rdb)
		if err := rdb.Do(ctx, "client", "kill", "type", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		doneAtOnce(t, q, submit(t, q, "x", SubmitOptions{}).ID)
		if took := time.Since(began); took > slowPoll/2 {
			t.Errorf("took %s", took)
		}
		eventually(t, 10*time.Second, "the worker listens on another channel", func() bool { return inList(t, rdb) != former })
	}
	doneAtOnce(t, q, submit(t, q, "x", SubmitOptions{}).ID)
}

// TestLostOnTheWay: a worker that waits for jobs that never come does not wait for ever.
func TestLostOnTheWay(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	serve(t, rdb, runnerFunc(echo), ServerOptions{Concurrency: 1})
	ctx := context.Background()
	former := inList(t, rdb)
	rdb.IncrBy(ctx, former, 3)
	rdb.ZRem(ctx, globalFree, former)
	began := time.Now()
	doneAtOnce(t, q, submit(t, q, "x", SubmitOptions{Reply: true}).ID)
	t.Logf("took %s", time.Since(began))
	if took := time.Since(began); took > 3*slowPoll {
		t.Errorf("took %s", took)
	}
	if inList(t, rdb) == former {
		t.Error("the channel is still believed")
	}
}

func TestParseDelivery(t *testing.T) {
	c, err := parseDelivery("1 2 3 16 5 0\nmidlst1700000000000001{\"a\"}")
	if err != nil || c.msg != "m" || c.id != "id" || c.pending != "lst" || c.created.UnixMicro() != 1700000000000001 ||
		c.request != `{"a"}` || c.client != "" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, text := range []string{"", "\n", "1\nx", "1 2 3 16 5 0\nmid", "1 1 1 1 1 1\nabcxef", "1 1 1 1 1 1\nabc1efg",
		"1 1 1 1 1 -1\nabc1e", "x"} {
		if c, err := parseDelivery(text); err == nil {
			t.Errorf("%q is taken for %+v", text, c)
		}
	}
}

// TestRefusedIsNotDispatched: what Redis does not accept, nobody runs.
func TestRefusedIsNotDispatched(t *testing.T) {
	for _, c := range []struct {
		name       string
		begin, end []any
	}{
		{"full", []any{"config", "set", "maxmemory", "1"}, []any{"config", "set", "maxmemory", "0"}},
		{"read-only", []any{"replicaof", "127.0.0.1", "1"}, []any{"replicaof", "no", "one"}},
		{"no replicas", []any{"config", "set", "min-replicas-to-write", "1"}, []any{"config", "set", "min-replicas-to-write", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rdb := startRedis(t).client()
			q := newTestQueue(t, rdb, QueueOptions{})
			b := waiting(t, rdb, q.layout, 2)
			ctx := context.Background()
			if err := rdb.Do(ctx, c.begin...).Err(); err != nil {
				t.Fatal(err)
			}
			if j, err := q.Submit(ctx, &Request{Script: "refused"}, SubmitOptions{}); err == nil {
				t.Errorf("accepted: %+v", j)
			}
			if err := rdb.Do(ctx, c.end...).Err(); err != nil {
				t.Fatal(err)
			}
			// Messages come in order: whatever was said of the refused job is before this one's.
			eventually(t, 10*time.Second, "a job is dispatched", func() bool {
				if b.slots.listensOn() == "" {
					return false // a replica that becomes a master ends connections
				}
				if err := b.poll(ctx); err != nil {
					return false
				}
				j := submit(t, q, "accepted", SubmitOptions{})
				got, err := q.Get(ctx, j.ID)
				return err == nil && got.Status == Running
			})
			if c := dispatched(t, b); !strings.Contains(c.request, "accepted") {
				t.Errorf("%s was dispatched", c.request)
			}
		})
	}
}

// TestSilentWorker: one that listens and has not said for long that it is there is dispatched nothing.
func TestSilentWorker(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	ctx := context.Background()
	const silent = "safepy:worker:silent"
	sub := rdb.Subscribe(ctx, silent)
	t.Cleanup(func() { sub.Close() })
	if _, err := sub.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	rdb.Set(ctx, silent, 0, time.Minute)
	rdb.ZAdd(ctx, globalFree, z(2, silent))
	first := submit(t, q, "x", SubmitOptions{})
	if j, err := q.Get(ctx, first.ID); err != nil || j.Status != Running {
		t.Errorf("%+v, %v", j, err)
	}
	rdb.Del(ctx, silent) // as when its time is over
	second := submit(t, q, "x", SubmitOptions{})
	if j, err := q.Get(ctx, second.ID); err != nil || j.Status != Queued {
		t.Errorf("%+v, %v", j, err)
	}
	if n := rdb.Exists(ctx, globalFree).Val(); n != 0 {
		t.Error("it is in the list still")
	}
}

// TestBothWays: jobs that are dispatched and jobs that wait in their queues keep none of one another.
func TestBothWays(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	for range 3 {
		serve(t, s.client(), runnerFunc(echo), ServerOptions{Concurrency: 1, Logger: slog.New(slog.DiscardHandler)})
	}
	var clients sync.WaitGroup
	for c := range 5 {
		clients.Go(func() {
			for i := range 60 {
				script := fmt.Sprint(c, "-", i)
				if (c+i)%2 == 0 {
					script = strings.Repeat("#", maxDispatched)
				}
				began := time.Now()
				j, err := q.Submit(context.Background(), &Request{Script: script}, SubmitOptions{Reply: true})
				if err == nil {
					j, err = q.Wait(context.Background(), j.ID, time.Minute)
				}
				if err != nil || j.Status != Completed || j.Attempts != 1 {
					t.Errorf("%d-%d: %+v, %v", c, i, j, err)
					return
				}
				if took := time.Since(began); took > slowPoll/2 {
					t.Errorf("%d-%d took %s", c, i, took)
				}
			}
		})
	}
	clients.Wait()
	empty(t, s.client())
}

// TestSlowLookWhileHanded: a worker that is handed one job after the other looks at the queues all the same.
func TestSlowLookWhileHanded(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	ctx := context.Background()
	serve(t, rdb, runnerFunc(echo), ServerOptions{Concurrency: 1})
	inList(t, rdb)
	var paused []string
	for l := range q.layout.lanes {
		paused = append(paused, lane(l).asynq(High)+"paused")
		rdb.Set(ctx, paused[l], 1, 0)
	}
	held, err := q.Submit(ctx, &Request{Script: "held", Priority: High}, SubmitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	queued(t, q, held.ID)
	doneAtOnce(t, q, submit(t, q, "x", SubmitOptions{Reply: true}).ID)
	rdb.Del(ctx, paused...)
	for end := time.Now().Add(4 * slowPoll); ; {
		doneAtOnce(t, q, submit(t, q, "x", SubmitOptions{Reply: true}).ID)
		j, err := q.Get(ctx, held.ID)
		if err != nil {
			t.Fatal(err)
		}
		if j.Status == Completed {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the queue is paused no more, and nobody looks")
		}
	}
}
