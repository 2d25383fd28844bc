package api

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"safepy/internal/jobs"
)

func TestCapabilities(t *testing.T) {
	s := serve(t)
	const empty = `{"workers":[],"limits":{"timeout_ms":10000,"memory_mb":100,"output_bytes":1048576,"script_bytes":1048576,"request_bytes":10485760,"batch_jobs":100,"batch_bytes":10485760},
		"queue":{"state":"open","jobs_waiting":0,"jobs_most":7,"request_bytes":0,"request_bytes_most":0,"outcome_bytes":0,"memory_bytes":0,"memory_bytes_most":0}}`
	if got := compact(t, s.do("GET", "/capabilities", "").want(200).body); got != compact(t, []byte(empty)) {
		t.Errorf("without a worker: %s", got)
	}
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.queue.set(func() {
		s.queue.workers = []jobs.Worker{{ID: "w1", Host: "h", Slots: 2, Since: since, Capabilities: json.RawMessage(`{"isolation":"process"}`)}}
	})
	var got struct {
		Workers []struct {
			ID, Host     string
			Slots        int
			Since        time.Time
			Capabilities struct{ Isolation string }
		}
	}
	if err := json.Unmarshal(s.do("GET", "/capabilities", "").want(200).body, &got); err != nil {
		t.Fatal(err)
	}
	if w := got.Workers; len(w) != 1 || w[0].ID != "w1" || w[0].Slots != 2 || !w[0].Since.Equal(since) || w[0].Capabilities.Isolation != "process" {
		t.Errorf("%+v", got)
	}
	s.queue.set(func() { s.queue.err = fmt.Errorf("workers: %w", jobs.ErrUnavailable) })
	s.do("GET", "/capabilities", "").wantError(503, "unavailable")
}
