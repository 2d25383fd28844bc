package jail

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkPool measures whole jobs in warm jails, as many at a time as there are slots.
//
//	go test -run '^$' -bench Pool -benchtime 300x ./internal/jail
//
// p50-ms and p99-ms are of single jobs, setup-ms and wall-ms the medians of their parts, cpu-ms that of the job's own process,
// its walls and its rehearsal included.
func BenchmarkPool(b *testing.B) {
	scripts := []struct{ name, script string }{
		{"hello", "def main():\n    return {'message': 'Hello, World!'}\n"},
		{"numpy", "import numpy as np\ndef main():\n    return {'mean': np.mean([1, 2, 3]), 'std': np.std([1, 2, 3])}\n"},
		{"pandas", "import pandas as pd\ndef main():\n    df = pd.DataFrame({'A': [1, 2, 3], 'B': [4, 5, 6]})\n" +
			"    return {'sum': df.sum().to_dict(), 'mean': df.mean().to_dict()}\n"},
	}
	for _, slots := range []int{1, 2} {
		b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) {
			pool, err := Open(b.Context(), Config{Preload: []string{"numpy", "pandas"}, Slots: slots})
			if err != nil {
				b.Skip("no jail can be made here: ", err)
			}
			defer pool.Close()
			for _, s := range scripts {
				b.Run(s.name, func(b *testing.B) { benchmarkPool(b, pool, slots, s.script) })
			}
		})
	}
}

func benchmarkPool(b *testing.B, pool *Pool, slots int, script string) {
	var mu sync.Mutex
	var total, setup, wall, cpu []float64
	var group sync.WaitGroup
	jobs := make(chan struct{})
	for range slots {
		group.Go(func() {
			for range jobs {
				begun := time.Now()
				o, err := pool.Run(context.Background(), Job{Script: script})
				took := time.Since(begun)
				if err != nil || o.Failure != nil {
					b.Errorf("%v, %+v", err, o.Failure)
					continue
				}
				mu.Lock()
				total, setup = append(total, inMS(took)), append(setup, inMS(o.Usage.Setup))
				wall, cpu = append(wall, inMS(o.Usage.Wall)), append(cpu, inMS(o.Usage.CPU))
				mu.Unlock()
			}
		})
	}
	begun := time.Now()
	for b.Loop() {
		jobs <- struct{}{}
	}
	close(jobs)
	group.Wait()
	perSecond := float64(len(total)) / time.Since(begun).Seconds()
	if len(total) == 0 {
		return
	}
	at := func(values []float64, q float64) float64 {
		slices.Sort(values)
		return values[int(float64(len(values)-1)*q)]
	}
	b.ReportMetric(at(total, 0.5), "p50-ms")
	b.ReportMetric(at(total, 0.99), "p99-ms")
	b.ReportMetric(at(setup, 0.5), "setup-ms")
	b.ReportMetric(at(wall, 0.5), "wall-ms")
	b.ReportMetric(at(cpu, 0.5), "cpu-ms")
	b.ReportMetric(perSecond, "jobs/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkStart measures starts of a jail, one after the other: what it takes to replace one.
//
//	go test -run '^$' -bench Start -benchtime 10x ./internal/jail
//
// cpu-ms is the CPU time of all processes of the jail.
func BenchmarkStart(b *testing.B) {
	for _, preload := range [][]string{nil, {"numpy", "pandas"}} {
		b.Run("preload="+strings.Join(preload, "+"), func(b *testing.B) {
			pool, err := Open(b.Context(), Config{Preload: preload, Slots: 1})
			if err != nil {
				b.Skip("no jail can be made here: ", err)
			}
			defer pool.Close()
			before := childrensCPU()
			n := 0
			for b.Loop() {
				v, err := pool.plan.start(wanted{preload: preload})
				if err != nil {
					b.Fatal(err)
				}
				v.close()
				n++
			}
			b.ReportMetric(inMS(childrensCPU()-before)/float64(n), "cpu-ms")
		})
	}
}

// childrensCPU is that of all processes below this one that have ended.
func childrensCPU() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func inMS(d time.Duration) float64 { return float64(d) / 1e6 }
