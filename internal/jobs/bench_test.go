package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"safepy/test/ports"
)

// BenchmarkRoundTrip measures one job at a time through an idle service, submission to result, ours and stock asynq's (polling
// for the result each millisecond, which flatters it) by turns in one run.
//
//	go test -run '^$' -bench RoundTrip ./internal/jobs
func BenchmarkRoundTrip(b *testing.B) {
	ours, stock := newOurs(b), newStock(b)
	var fast, slow []time.Duration
	for i := 0; b.Loop(); i++ {
		fast = append(fast, ours.roundTrip(b))
		if i%100 == 0 { // half a second each
			slow = append(slow, stock.roundTrip(b))
		}
	}
	slices.Sort(fast)
	slices.Sort(slow)
	p := func(d []time.Duration, q float64) float64 {
		return float64(d[int(float64(len(d)-1)*q)].Microseconds()) / 1000
	}
	b.ReportMetric(p(fast, 0.5), "p50-ms")
	b.ReportMetric(p(fast, 0.99), "p99-ms")
	b.ReportMetric(p(slow, 0.5), "stock-p50-ms")
	b.ReportMetric(p(slow, 0.5)/p(fast, 0.5), "times-faster")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkThroughput measures jobs/s with many clients that each wait for their job, and what a job costs in CPU time, which a
// busy machine changes less: of this process, which is API and worker, and of Redis.
//
//	go test -run '^$' -bench Throughput ./internal/jobs
func BenchmarkThroughput(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(clients, "-clients"), func(b *testing.B) {
			ours := newOurs(b)
			work := make(chan struct{})
			var wg sync.WaitGroup
			began, own, theirs := time.Now(), ownCPU(b), redisCPU(b, ours.q.rdb)
			for range clients {
				wg.Go(func() {
					for range work {
						ours.roundTrip(b)
					}
				})
			}
			n := 0
			for b.Loop() {
				work <- struct{}{}
				n++
			}
			close(work)
			wg.Wait()
			b.ReportMetric(float64(n)/time.Since(began).Seconds(), "jobs/s")
			b.ReportMetric((ownCPU(b)-own)/float64(n)*1e3, "own-cpu-ms/job")
			b.ReportMetric((redisCPU(b, ours.q.rdb)-theirs)/float64(n)*1e3, "redis-cpu-ms/job")
			b.ReportMetric(0, "ns/op")
		})
	}
}

type oursBench struct{ q *Queue }

func newOurs(b *testing.B) *oursBench {
	url := loopback(b)
	serve(b, open(b, url), runnerFunc(noop), ServerOptions{Concurrency: 16})
	q := newTestQueue(b, open(b, url), QueueOptions{Limit: 1000})
	o := &oursBench{q: q}
	o.roundTrip(b)
	return o
}

// loopback starts a Redis that is reached over TCP, as it mostly is.
func loopback(b *testing.B) string {
	port := ports.For(b)
	startRedis(b, "--port", port)
	return "redis://127.0.0.1:" + port
}

func noop(context.Context, *Request) (*Outcome, error) { return &Outcome{Result: []byte("null")}, nil }

func (o *oursBench) roundTrip(b *testing.B) time.Duration {
	began := time.Now()
	j, err := o.q.Submit(context.Background(), &Request{Script: "def main(): pass"}, SubmitOptions{Reply: true})
	if err == nil {
		j, err = o.q.Wait(context.Background(), j.ID, time.Minute)
	}
	if err != nil || j.Status != Completed {
		b.Errorf("%+v, %v", j, err)
	}
	return time.Since(began)
}

type stockBench struct {
	client    *asynq.Client
	inspector *asynq.Inspector
}

func newStock(b *testing.B) *stockBench {
	rdb := redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(loopback(b), "redis://")})
	srv := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: 16, LogLevel: asynq.ErrorLevel})
	if err := srv.Start(asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		_, err := t.ResultWriter().Write([]byte("null"))
		return err
	})); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		srv.Shutdown()
		rdb.Close()
	})
	return &stockBench{asynq.NewClientFromRedisClient(rdb), asynq.NewInspectorFromRedisClient(rdb)}
}

func (s *stockBench) roundTrip(b *testing.B) time.Duration {
	began := time.Now()
	t, err := s.client.Enqueue(asynq.NewTask("python", []byte(`{"script":"def main(): pass"}`)), asynq.Retention(time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	for t.State != asynq.TaskStateCompleted {
		time.Sleep(time.Millisecond)
		if t, err = s.inspector.GetTaskInfo("default", t.ID); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}
