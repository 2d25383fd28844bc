package jobs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"safepy/internal/redisconn"
)

// workerURL, when set, makes the test binary a worker on that Redis, which is meant to be killed. Its jobs never end, or take a
// few milliseconds when workerKind is "short".
const (
	workerURL  = "JOBS_TEST_WORKER"
	workerKind = "JOBS_TEST_WORKER_KIND"
)

func workUntilKilled(url string) {
	rdb, err := redisconn.Open(url)
	if err != nil {
		panic(err)
	}
	s, err := NewServer(rdb, runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
		if os.Getenv(workerKind) == "short" {
			time.Sleep(5 * time.Millisecond)
			return echo(ctx, r)
		}
		fmt.Println("began")
		<-ctx.Done()
		return &Outcome{}, nil
	}), ServerOptions{Concurrency: 2, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	s.Run(context.Background())
}

// TestKilledWorker kills -9 a worker process in the middle of a job; another one has the job's result within 35 s.
func TestKilledWorker(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute: a lease must run out")
	}
	t.Parallel()
	s := startRedis(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerURL+"="+s.url())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	q := newTestQueue(t, s.client(), QueueOptions{})
	j := submit(t, q, "x", SubmitOptions{Reply: true})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "began\n" {
		t.Fatalf("the worker said %q, %v", line, err)
	}
	serve(t, s.client(), runnerFunc(echo), ServerOptions{})
	cmd.Process.Kill()
	killed := time.Now()
	got := wait(t, q, j.ID)
	t.Logf("recovered after %s", time.Since(killed))
	if got.Status != Completed || got.Attempts != 2 || time.Since(killed) > 35*time.Second {
		t.Errorf("after %s: %+v", time.Since(killed), got)
	}
	empty(t, s.client())
}

// TestRedisRestart: with persistence nothing accepted is lost, what waits and what runs.
func TestRedisRestart(t *testing.T) {
	s := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	q := newTestQueue(t, s.client(), QueueOptions{})
	run := newBlocking()
	serve(t, s.client(), run, ServerOptions{Concurrency: 2})
	var ids []string
	for range 20 {
		ids = append(ids, submit(t, q, "x", SubmitOptions{Reply: true}).ID)
	}
	began(t, run)
	began(t, run)
	s.kill()
	s.start()
	close(run.goOn)
	for _, id := range ids {
		if j := wait(t, q, id); j.Status != Completed || j.Attempts != 1 {
			t.Errorf("%+v", j)
		}
	}
	empty(t, s.client())
}

// TestOutcomeOutlivesOutage: a script that ends while Redis is away has its outcome written when it is back.
func TestOutcomeOutlivesOutage(t *testing.T) {
	s := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	q := newTestQueue(t, s.client(), QueueOptions{})
	run := newBlocking()
	serve(t, s.client(), run, ServerOptions{Concurrency: 2})
	j := submit(t, q, "x", SubmitOptions{Reply: true})
	began(t, run)
	s.kill()
	close(run.goOn)
	waited := make(chan *Job, 1)
	go func() {
		j, _ := q.Wait(context.Background(), j.ID, time.Minute)
		waited <- j
	}()
	if _, err := q.Get(context.Background(), j.ID); !errors.Is(err, ErrUnavailable) {
		t.Errorf("meanwhile: %v", err)
	}
	s.start()
	if got := <-waited; got == nil || got.Status != Completed || got.Attempts != 1 {
		t.Errorf("%+v", got)
	}
}

// TestRedisLosesEverything: without persistence jobs are gone with Redis, but the service goes on.
func TestRedisLosesEverything(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	serve(t, s.client(), runnerFunc(echo), ServerOptions{})
	wait(t, q, submit(t, q, "x", SubmitOptions{Reply: true}).ID)
	s.kill()
	s.start()
	worksAgain(t, q)
}

func worksAgain(t *testing.T, q *Queue) {
	t.Helper()
	var id string
	eventually(t, 20*time.Second, "submissions are accepted again", func() bool {
		j, err := q.Submit(context.Background(), &Request{Script: "again"}, SubmitOptions{Reply: true})
		if err == nil {
			id = j.ID
		}
		return err == nil
	})
	began := time.Now()
	wait(t, q, id)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the first job took %s", took)
	}
}

func TestOutages(t *testing.T) {
	for _, c := range []struct {
		name       string
		args       []string
		begin, end func(s *redisServer, rdb redis.UniversalClient)
	}{
		{"away", nil,
			func(s *redisServer, rdb redis.UniversalClient) { s.kill() },
			func(s *redisServer, rdb redis.UniversalClient) { s.start() }},
		{"hangs", nil,
			func(s *redisServer, rdb redis.UniversalClient) { s.cmd.Process.Signal(syscall.SIGSTOP) },
			func(s *redisServer, rdb redis.UniversalClient) { s.cmd.Process.Signal(syscall.SIGCONT) }},
		{"full", nil,
			func(s *redisServer, rdb redis.UniversalClient) {
				rdb.ConfigSet(context.Background(), "maxmemory", "1")
			},
			func(s *redisServer, rdb redis.UniversalClient) {
				rdb.ConfigSet(context.Background(), "maxmemory", "0")
			}},
		{"read-only", nil,
			func(s *redisServer, rdb redis.UniversalClient) {
				rdb.Do(context.Background(), "replicaof", "127.0.0.1", "1")
			},
			func(s *redisServer, rdb redis.UniversalClient) {
				rdb.Do(context.Background(), "replicaof", "no", "one")
			}},
		{"paused", []string{"--appendonly", "yes"},
			func(s *redisServer, rdb redis.UniversalClient) {
				rdb.Do(context.Background(), "client", "pause", "100000", "all")
			},
			// A paused server still starts anew.
			func(s *redisServer, rdb redis.UniversalClient) { s.kill(); s.start() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startRedis(t, c.args...)
			rdb := s.client()
			q := newTestQueue(t, s.client(), QueueOptions{Limit: 100, ClientInFlight: 50})
			serve(t, s.client(), runnerFunc(echo), ServerOptions{Concurrency: 2, Logger: slog.New(slog.DiscardHandler)})
			wait(t, q, submit(t, q, "x", SubmitOptions{Reply: true}).ID)
			c.begin(s, rdb)
			for _, o := range []SubmitOptions{{}, {Client: "ann"}, {Client: "ann", IdempotencyKey: "k"}} {
				began := time.Now()
				_, err := q.Submit(context.Background(), &Request{Script: "x"}, o)
				if !errors.Is(err, ErrUnavailable) {
					t.Errorf("%+v: %v", o, err)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("%+v: took %s", o, took)
				}
			}
			if c.name == "full" || c.name == "read-only" {
				before := calls(t, rdb)
				<-time.After(2 * time.Second) // the rate is what is measured
				if n := calls(t, rdb)["evalsha"] - before["evalsha"]; n > 100 {
					t.Errorf("%d commands in 2 s: spinning", n)
				}
			}
			c.end(s, rdb)
			worksAgain(t, q)
		})
	}
}

func TestCallersOwnDeadline(t *testing.T) {
	s := startRedis(t)
	q := newTestQueue(t, s.client(), QueueOptions{})
	s.cmd.Process.Signal(syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := q.Submit(ctx, &Request{Script: "x"}, SubmitOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
