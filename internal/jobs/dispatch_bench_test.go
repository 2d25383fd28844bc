package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// BenchmarkDispatch measures what direct dispatch gives a job, by turns of a hundred with and without it in one run, since a busy machine
// changes from one second to the next: the time from submission to result, CPU time of this process, which is API and worker, and of
// Redis, and commands in Redis.
//
//	go test -run '^$' -bench Dispatch -benchtime 4000x ./internal/jobs
func BenchmarkDispatch(b *testing.B) {
	const turn = 100
	for _, clients := range []int{1, 2} {
		b.Run(fmt.Sprint(clients, "-clients"), func(b *testing.B) {
			sides := []*dispatchSide{newDispatchSide(b, true), newDispatchSide(b, false)}
			for n := 0; b.Loop(); n++ {
				if n%turn == 0 {
					for i := range sides {
						sides[(i+n/turn)%2].run(b, clients, turn)
					}
				}
			}
			for i, name := range []string{"with", "without"} {
				sides[i].report(b, name)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// undispatched is a Redis that a worker does not hear jobs on.
type undispatched struct{ redis.UniversalClient }

func (c undispatched) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	if len(channels) == 1 && strings.HasPrefix(channels[0], "safepy:worker:") {
		channels = nil
	}
	return c.UniversalClient.Subscribe(ctx, channels...)
}

type dispatchSide struct {
	ours     *oursBench
	took     []time.Duration
	cpu      float64 // seconds
	commands int
}

func newDispatchSide(b *testing.B, dispatch bool) *dispatchSide {
	url := loopback(b)
	rdb := open(b, url)
	if !dispatch {
		rdb = undispatched{rdb}
	}
	serve(b, rdb, runnerFunc(noop), ServerOptions{Concurrency: 2})
	ours := &oursBench{q: newTestQueue(b, open(b, url), QueueOptions{Limit: 1000})}
	ours.roundTrip(b)
	return &dispatchSide{ours: ours}
}

func (s *dispatchSide) run(b *testing.B, clients, jobs int) {
	rdb := s.ours.q.rdb
	commands, cpu := sumOf(calls(b, rdb)), ownCPU(b)+redisCPU(b, rdb)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range jobs / clients {
				took := s.ours.roundTrip(b)
				mu.Lock()
				s.took = append(s.took, took)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s.cpu += ownCPU(b) + redisCPU(b, rdb) - cpu
	s.commands += sumOf(calls(b, rdb)) - commands
}

func (s *dispatchSide) report(b *testing.B, name string) {
	slices.Sort(s.took)
	for _, p := range []float64{0.1, 0.5} {
		b.ReportMetric(float64(s.took[int(p*float64(len(s.took)))].Microseconds())/1e3, fmt.Sprintf("%s-p%.0f-ms", name, 100*p))
	}
	b.ReportMetric(1e3*s.cpu/float64(len(s.took)), name+"-cpu-ms")
	b.ReportMetric(float64(s.commands)/float64(len(s.took)), name+"-commands")
}

func sumOf(calls map[string]int) (n int) {
	for _, c := range calls {
		n += c
	}
	return n
}
