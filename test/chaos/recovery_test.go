package chaos

import (
	"context"
	"testing"
	"time"

	"safepy/test/harness"
	"safepy/test/traffic"
)

const (
	// leaseOver is when a job whose worker was killed must run elsewhere, and a short one have ended; where there is no other worker, one
	// has to start first, which takes a busy machine as long as it takes.
	leaseOver = 35 * time.Second
	// long is a job that still runs, in ms, when its worker is ended, however long a machine with other things to do takes to
	// see that all of them run.
	long = 9000
)

// testWorkerKilled kills -9 one of two workers in the middle of its jobs: the other one does them.
func testWorkerKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, 2)
	ids := s.running(4, long)
	s.workers[0].Kill()
	killed := time.Now()
	attempts := map[int]int{}
	for _, id := range ids {
		attempts[s.completed(id).Attempts]++
	}
	took := time.Since(killed)
	t.Logf("all jobs done %.1fs after the kill", took.Seconds())
	if took > leaseOver+long*time.Millisecond {
		t.Errorf("recovery took %s, of which the jobs themselves %d ms", took, long)
	}
	if attempts[1] != 2 || attempts[2] != 2 {
		t.Errorf("attempts: %v; two jobs had to run twice and two once", attempts)
	}
	s.nothingLeft(t)
}

// testWorkerStopped stops one of two workers with SIGTERM: what does not end within its grace runs at once on the other one.
func testWorkerStopped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, grace  string
		lasts, twice int
	}{
		{"within its grace", "20s", 1500, 0},
		{"beyond its grace", "1s", long, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, 1, 2, "SHUTDOWN_GRACE="+c.grace)
			ids := s.running(4, c.lasts)
			began := time.Now()
			s.workers[0].Stop()
			t.Logf("stopped after %.1fs", time.Since(began).Seconds())
			twice := 0
			for _, id := range ids {
				twice += s.completed(id).Attempts - 1
			}
			took := time.Since(began)
			t.Logf("all jobs done %.1fs after the signal", took.Seconds())
			if twice != c.twice {
				t.Errorf("%d second runs, want %d", twice, c.twice)
			}
			if took > 2*long*time.Millisecond+10*time.Second {
				t.Errorf("took %s: jobs waited for their lease", took)
			}
			s.nothingLeft(t)
		})
	}
}

// testWorkerKilledAgain has a job lose two workers, and it gets no third.
func testWorkerKilledAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, 1)
	id := s.running(1, long)[0]
	for attempt := 1; ; attempt++ {
		s.workers[0].Kill()
		killed := time.Now()
		s.workers[0].start()
		s.workers[0].Await(harness.Warm)
		started := time.Since(killed)
		j := s.until(id, func(j *traffic.Job) bool { return j.Final() || j.Status == "running" && j.Attempts > attempt })
		took := time.Since(killed)
		t.Logf("%s again %.1fs after kill %d, the new worker %.1fs", j.Status, took.Seconds(), attempt, started.Seconds())
		if took > leaseOver+started {
			t.Errorf("recovery took %s", took)
		}
		if attempt == 1 && !j.Final() {
			continue
		}
		if j.Status != "failed" || j.Error == nil || j.Error.Code != "crashed" || j.Attempts != 2 || attempt != 2 {
			t.Errorf("after %d workers: %+v, error %+v", attempt, j, j.Error)
		}
		break
	}
	s.completed(s.submit(0))
	s.nothingLeft(t)
}

// testRedisRestarted ends Redis, by force and gracefully, with jobs that wait and jobs that run.
func testRedisRestarted(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, 1)
	for _, end := range []struct {
		how string
		end func()
	}{{"kill -9", func() { s.redis.Kill() }}, {"SIGTERM", func() { s.redis.Stop() }}} {
		// Both slots are taken when Redis ends: a job that is handed to a worker in that instant may cost it its lease. So on a
		// machine that takes long to submit the others there are fewer of them.
		const lasts = long * time.Millisecond
		ids := s.running(2, long)
		for begun := time.Now(); len(ids) < 102 && time.Since(begun) < lasts/2; {
			ids = append(ids, s.submit(0))
		}
		if len(ids) < 12 {
			t.Fatalf("only %d jobs were submitted in %s", len(ids)-2, lasts/2)
		}
		end.end()
		s.redis.Start()
		restarted := time.Now()
		for _, id := range ids {
			if j := s.completed(id); j.Attempts != 1 {
				t.Errorf("%s: job %s took %d attempts", end.how, id, j.Attempts)
			}
		}
		t.Logf("%s: %d jobs done %.1fs after Redis was back", end.how, len(ids), time.Since(restarted).Seconds())
	}
	s.nothingLeft(t)
}

// submit queues a job that lasts so many milliseconds.
func (s *site) submit(lasts int) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	j, err := s.client.Submit(ctx, traffic.Request{
		Script: "import time\n\n\ndef main(ms):\n    time.sleep(ms / 1000)\n    return ms\n", Args: []int{lasts},
	})
	if err != nil {
		s.t.Fatalf("submit: %v", err)
	}
	return j.ID
}

// running submits so many jobs and returns when all of them run.
func (s *site) running(n, lasts int) []string {
	s.t.Helper()
	var ids []string
	for range n {
		ids = append(ids, s.submit(lasts))
	}
	for _, id := range ids {
		s.until(id, func(j *traffic.Job) bool { return j.Status == "running" })
	}
	return ids
}

// completed waits for a job's end, which must be a good one.
func (s *site) completed(id string) *traffic.Job {
	s.t.Helper()
	j := s.until(id, (*traffic.Job).Final)
	if j.Status != "completed" {
		s.t.Errorf("job %s: %+v, error %+v", id, j, j.Error)
	}
	return j
}

func (s *site) until(id string, ok func(*traffic.Job) bool) *traffic.Job {
	s.t.Helper()
	var seen *traffic.Job
	eventually(s.t, "job "+id+" is where it should be", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		j, err := s.client.Get(ctx, id, 0)
		if err == nil {
			seen = j
		}
		return err == nil && ok(j)
	})
	return seen
}
