package jobs

import (
	"encoding/json"
	"testing"
	"time"
)

// A worker is listed with its own words while it serves, no longer once it has stopped, and not when it has been silent.
func TestWorkers(t *testing.T) {
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	silent, err := json.Marshal(announcement{Worker: Worker{ID: "silent"}, Seen: time.Now().Add(-time.Minute).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	if err := rdb.HSet(t.Context(), workersKey, "silent", silent, "garbled", "{").Err(); err != nil {
		t.Fatal(err)
	}
	stop := serve(t, rdb, runnerFunc(echo), ServerOptions{Concurrency: 3, Capabilities: json.RawMessage(`{"isolation":"namespaces"}`)})

	var workers []Worker
	eventually(t, 10*time.Second, "the worker is listed", func() bool {
		if workers, err = q.Workers(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(workers) > 0
	})
	if w := workers[0]; len(workers) != 1 || w.Slots != 3 || w.ID == "" || string(w.Capabilities) != `{"isolation":"namespaces"}` {
		t.Errorf("workers %+v", workers)
	}
	if left := rdb.HLen(t.Context(), workersKey).Val(); left != 1 {
		t.Errorf("%d entries are kept, one is alive", left)
	}
	stop()
	if workers, err = q.Workers(t.Context()); err != nil || len(workers) != 0 {
		t.Errorf("after the stop: %+v, %v", workers, err)
	}
}
