package jobs

import (
	"context"
	"fmt"
	"testing"
)

// TestSpareGoesBack: what a stopping worker has taken beyond what it can begin is there for others at once.
func TestSpareGoesBack(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, rdb, QueueOptions{})
	var ids []string
	for i := range 5 {
		ids = append(ids, submit(t, q, fmt.Sprint(i), SubmitOptions{Reply: true}).ID)
	}
	b := newBroker(rdb, q.layout, 8, testLog(t))
	ctx := context.Background()
	for len(b.spare) < 3 {
		taken, err := b.pick(ctx)
		if err != nil || len(taken) == 0 {
			t.Fatalf("%d taken, %v", len(taken), err)
		}
		b.spare = append(b.spare, taken...)
	}
	if err := b.leaveSpare(ctx); err != nil {
		t.Fatal(err)
	}
	serve(t, s.client(), runnerFunc(echo), ServerOptions{})
	for _, id := range ids {
		if j := wait(t, q, id); j.Status != Completed {
			t.Errorf("%+v", j)
		}
	}
	empty(t, rdb)
}
