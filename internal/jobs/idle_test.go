package jobs

import (
	"testing"
	"time"
)

// TestIdleWorkerKeepsItsJob: asynq counts a lease from the moment it asks for a job. A worker that has waited for longer than a
// lease must not lose its next job at the first heartbeat.
func TestIdleWorkerKeepsItsJob(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 40 s: a lease must run out, and a heartbeat come")
	}
	t.Parallel()
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	run := newBlocking()
	serve(t, s.client(), run, ServerOptions{Concurrency: 1})
	<-time.After((leaseSeconds + 2) * time.Second)
	j := submit(t, q, "x", SubmitOptions{Reply: true})
	began(t, run)
	<-time.After(7 * time.Second) // heartbeats come every 5 s
	close(run.goOn)
	if got := wait(t, q, j.ID); got.Status != Completed || got.Attempts != 1 {
		t.Errorf("%+v", got)
	}
}
