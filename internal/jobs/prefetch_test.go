package jobs

import (
	"context"
	"fmt"
	"testing"
)

// TestPrefetchedGoBack: what a stopping worker has taken beyond what it can begin is there for others at once.
func TestPrefetchedGoBack(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, rdb, QueueOptions{})
	var ids []string
	for i := range 5 {
		ids = append(ids, submit(t, q, fmt.Sprint(i), SubmitOptions{Reply: true}).ID)
	}
	b := newBroker(rdb, q.layout, 8, testLog(t))
	ctx := context.Background()
	for had := 0; had < 3; had = len(b.slots.prefetched) {
		if err := b.poll(ctx); err != nil || len(b.slots.prefetched) == had {
			t.Fatalf("%d taken, %v", len(b.slots.prefetched), err)
		}
	}
	if err := b.leaveUnbegun(ctx); err != nil {
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
