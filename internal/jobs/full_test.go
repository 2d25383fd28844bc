package jobs

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestQueueBytes(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{Bytes: 10_000})
	script := strings.Repeat("#", 3_000)
	first := submit(t, q, script, SubmitOptions{})
	for range 2 {
		submit(t, q, script, SubmitOptions{Client: "ann"})
	}
	_, err := q.Submit(context.Background(), &Request{Script: script}, SubmitOptions{})
	busy(t, err, "bytes")
	submit(t, q, "short", SubmitOptions{})
	room, err := q.Room(context.Background())
	if err != nil || room.JobsWaiting != 4 || room.RequestBytes < 9_000 || room.RequestBytesMost != 10_000 || room.State != "open" {
		t.Errorf("%+v, %v", room, err)
	}
	if _, err := q.Cancel(context.Background(), first.ID); err != nil {
		t.Fatal(err)
	}
	submit(t, q, script, SubmitOptions{})
}

// TestOutcomeBytes: what does not fit becomes a small failure, what is small has its room, and all is kept for the shorter the less room
// there is.
func TestOutcomeBytes(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{ResultTTL: time.Hour})
	serve(t, rdb, runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
		n, err := strconv.Atoi(r.Script)
		return &Outcome{Result: []byte("1"), Stdout: strings.Repeat("x", n)}, err
	}), ServerOptions{Concurrency: 1, OutcomeBytes: 1 << 20})
	ttl := func(j *Job) time.Duration {
		l, _ := laneOf(j.ID)
		return rdb.TTL(context.Background(), l.record(j.ID)).Val()
	}
	send := func(n int) *Job {
		return wait(t, q, submit(t, q, strconv.Itoa(n), SubmitOptions{Reply: true}).ID)
	}
	first, second := send(600<<10), send(300<<10)
	if first.Status != Completed || second.Status != Completed {
		t.Fatalf("%+v\n%+v", first.Error, second.Error)
	}
	if a, b := ttl(first), ttl(second); a < 59*time.Minute || b > 55*time.Minute || b < time.Minute {
		t.Errorf("with room it is kept for %s, with less for %s", a, b)
	}
	third := send(300 << 10)
	if third.Status != Failed || third.Error == nil || third.Error.Code != Internal || !strings.Contains(third.Error.Message, "no room") {
		t.Errorf("%+v, %+v", third.Status, third.Error)
	}
	if small := send(100); small.Status != Completed || len(small.Stdout) != 100 {
		t.Errorf("%+v", small)
	}
	var last *Job
	for range 12 {
		last = send(10 << 10)
	}
	if a, b := ttl(last), ttl(send(100)); a > 5*time.Minute || a < 55*time.Second || b > 10*time.Minute || b < 595*time.Second {
		t.Errorf("with next to no room it is kept for %s, and the smallest for %s", a, b)
	}
	accounted(t, rdb)
}

// TestFullRedis: jobs that were accepted have an end when Redis is full, their slots are free for others, and nobody waits for ever.
func TestFullRedis(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	ctx := context.Background()
	q := newTestQueue(t, s.client(), QueueOptions{Limit: 100})
	begun, goOn := make(chan struct{}, 8), make(chan struct{})
	serve(t, s.client(), runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
		begun <- struct{}{}
		select {
		case <-goOn:
		case <-ctx.Done():
		}
		if r.Script == "small" {
			return &Outcome{Result: []byte("2")}, nil
		}
		return &Outcome{Result: []byte("1"), Stdout: strings.Repeat("x", 1<<20)}, nil
	}), ServerOptions{Concurrency: 2})
	eventually(t, 10*time.Second, "ready", func() bool { return q.Ready(ctx) == nil })
	var ids []string
	for range 6 { // two run, four wait
		ids = append(ids, submit(t, q, "x", SubmitOptions{Client: "ann"}).ID)
	}
	small := submit(t, q, "small", SubmitOptions{Client: "ann"}).ID
	<-begun
	<-begun
	if err := rdb.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	for _, id := range ids {
		if j := wait(t, q, id); j.Status != Failed || j.Error == nil || j.Error.Code != Internal || j.Stdout != "" || j.Attempts != 1 {
			t.Errorf("%s, %+v, attempt %d", j.Status, j.Error, j.Attempts)
		}
	}
	if j := wait(t, q, small); j.Status != Completed || string(j.Result) != "2" {
		t.Errorf("what is small: %s, %+v", j.Status, j.Error)
	}
	eventually(t, 10*time.Second, "not ready, with the reason", func() bool {
		err := q.Ready(ctx)
		return err != nil && strings.Contains(err.Error(), "redis is full")
	})
	eventually(t, 10*time.Second, "refused for want of memory", func() bool {
		_, err := q.Submit(ctx, &Request{Script: "x"}, SubmitOptions{})
		b, ok := errors.AsType[*BusyError](err)
		return ok && b.Scope == "memory"
	})
	if room, err := q.Room(ctx); err != nil || room.State != "full" || !strings.Contains(room.Reason, "redis is full") {
		t.Errorf("%+v, %v", room, err)
	}
	if err := rdb.ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "ready again", func() bool { return q.Ready(ctx) == nil })
	if j := wait(t, q, submit(t, q, "x", SubmitOptions{}).ID); j.Status != Completed {
		t.Errorf("%+v", j)
	}
	accounted(t, rdb)
}
