package jobs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// TestChaos kills workers and Redis under load. At the end every accepted job has a final state, its own result, and at most
// one run more than workers were lost under it.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute: leases must run out")
	}
	t.Parallel()
	s := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	q := newTestQueue(t, s.client(), QueueOptions{})
	ctx, end := context.WithCancel(context.Background())
	defer end()

	var workers sync.WaitGroup
	defer workers.Wait()
	for range 3 {
		workers.Go(func() {
			for ctx.Err() == nil {
				life, kill := context.WithTimeout(ctx, time.Second+rand.N(4*time.Second))
				cmd := exec.CommandContext(life, os.Args[0])
				cmd.Env = append(os.Environ(), workerURL+"="+s.url(), workerKind+"=short")
				_ = cmd.Run() // ends by SIGKILL
				kill()
			}
		})
	}
	type accepted struct{ id, script string }
	var mu sync.Mutex
	var jobs []accepted
	refused := 0
	var clients sync.WaitGroup
	stopLoad := time.After(15 * time.Second)
	loading, loaded := context.WithCancel(ctx)
	for c := range 8 {
		clients.Go(func() {
			for i := 0; loading.Err() == nil; i++ {
				script := fmt.Sprint(c, "-", i)
				j, err := q.Submit(ctx, &Request{Script: script, Priority: priorities[i%3]}, SubmitOptions{Client: fmt.Sprint("c", c%3)})
				mu.Lock()
				if err == nil {
					jobs = append(jobs, accepted{j.ID, script})
				} else {
					refused++
				}
				mu.Unlock()
				<-time.After(20 * time.Millisecond) // a steady load
			}
		})
	}
	for range 3 {
		<-time.After(4 * time.Second)
		s.kill()
		s.start()
	}
	<-stopLoad
	eventually(t, 3*time.Minute, "there is a load", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(jobs) >= 500
	})
	loaded()
	clients.Wait()

	// A last worker that lives, so that what the others left is done.
	serve(t, s.client(), runnerFunc(echo), ServerOptions{Concurrency: 4})
	twice, crashed := 0, 0
	for _, a := range jobs {
		j, err := q.Wait(context.Background(), a.id, 90*time.Second)
		switch {
		case err != nil || !j.Status.Final():
			t.Fatalf("lost: %+v, %v", j, err)
		case j.Status == Failed && j.Error.Code == Crashed && j.Attempts >= maxLost:
			crashed++
		case j.Status != Completed || string(j.Result) != fmt.Sprintf("%q", a.script):
			t.Errorf("%+v", j)
		case j.Attempts > 1:
			twice++
		}
	}
	end()
	workers.Wait()
	t.Logf("accepted %d, refused %d, run more than once %d, given up as crashed %d, lost 0", len(jobs), refused, twice, crashed)
	empty(t, s.client())
}

// TestStopWhileRedisIsAway: a worker that cannot say goodbye goes all the same.
func TestStopWhileRedisIsAway(t *testing.T) {
	for _, away := range []string{"killed", "hanging"} {
		t.Run(away, func(t *testing.T) {
			t.Parallel()
			s := startRedis(t)
			q := newTestQueue(t, s.client(), QueueOptions{})
			stop := serve(t, s.client(), runnerFunc(echo), ServerOptions{StopGrace: time.Second})
			wait(t, q, submit(t, q, "x", SubmitOptions{}).ID)
			if away == "killed" {
				s.kill()
			} else {
				s.pause()
			}
			began := time.Now()
			stop()
			t.Logf("stopped after %s", time.Since(began))
			if time.Since(began) > 40*time.Second {
				t.Errorf("stop took %s", time.Since(began))
			}
		})
	}
}
