package jobs

import (
	"context"
	"testing"
)

func TestOneJob(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	serve(t, rdb, runnerFunc(echo), ServerOptions{Concurrency: 2})
	j := submit(t, q, "hello", SubmitOptions{Reply: true, Client: "ann"})
	if j.Status != Queued || j.CreatedAt.IsZero() || j.Attempts != 0 {
		t.Errorf("submitted: %+v", j)
	}
	done := wait(t, q, j.ID)
	stored, err := q.Get(context.Background(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, j := range map[string]*Job{"by bell": done, "by record": stored} {
		if j.Status != Completed || string(j.Result) != `"hello"` || j.Stdout != "out" || j.Attempts != 1 || j.Client != "ann" {
			t.Errorf("%s: %+v", name, j)
		}
		if j.StartedAt == nil || j.FinishedAt == nil || j.StartedAt.Before(j.CreatedAt) || j.FinishedAt.Before(*j.StartedAt) {
			t.Errorf("%s: times %v %v %v", name, j.CreatedAt, j.StartedAt, j.FinishedAt)
		}
		if j.Usage == nil || j.Usage.WallMS != 1 || j.Usage.QueueMS < 0 {
			t.Errorf("%s: usage %+v", name, j.Usage)
		}
	}
}
