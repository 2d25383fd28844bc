package jail

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"safepy/internal/jail/procfs"
)

var soakJobs = flag.Int("soak", 600, "jobs that TestSoak runs on each backend")

// soakHostile end in every way there is, and leave behind what they can. Each returns the failure it must end with, "" for none.
var soakHostile = []struct{ script, failure string }{
	{"import posix\ndef main(): posix._exit(3)", "crashed"},
	{"import ctypes\ndef main(): ctypes.string_at(0)", "crashed"},
	{"def main():\n    while True: pass", "timeout"},
	{"def main(): return bytearray(1 << 40)", "memory_limit"},
	{"def main():\n    while True: print('x' * 65536)", "output_limit"},
	{"import threading, time\ndef main():\n    for _ in range(8): threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n" +
		"    return 1", ""},
	{"def main():\n    kept = [open('f%d' % i, 'w') for i in range(200)]\n    import posix\n    posix.kill(posix.getpid(), 9)", "crashed"},
	{"import posix\ndef main():\n    for fd in range(9):\n        try: posix.close(fd)\n        except OSError: pass\n    return 1",
		"crashed"},
	{"def main():\n    def f(n): return f(n + 1)\n    return f(0)", "exception"},
	{"import signal\ndef main():\n    for s in range(1, 65):\n        try: signal.signal(s, signal.SIG_IGN)\n" +
		"        except (OSError, ValueError): pass\n    while True: pass", "timeout"},
}

// TestSoak runs many jobs, a tenth of them hostile, and looks for what they have left: processes, descriptors, mounts, cgroups,
// memory, here and in the jails. `make soak` runs ten thousand.
func TestSoak(t *testing.T) {
	c := Config{Slots: 2, Preload: []string{"numpy"}, MaxJobs: 200}
	c.Limits.Timeout, c.Limits.OutputBytes = patience, 1<<20
	eachPool(t, c, func(t *testing.T, p *Pool) {
		honest := []string{"def main(): return 42", "import numpy as np\ndef main(): return int(np.arange(7).sum()) * 2"}
		var next atomic.Int64
		round := func(jobs int) {
			var all sync.WaitGroup
			end := next.Load() + int64(jobs)
			for range c.Slots {
				all.Go(func() {
					for n := next.Add(1); n <= end; n = next.Add(1) {
						j, want := Job{Script: honest[n%2]}, ""
						if n%10 == 0 {
							hostile := soakHostile[n/10%int64(len(soakHostile))]
							j, want = Job{Script: hostile.script}, hostile.failure
							if want == "timeout" {
								j.Timeout = patience / 600
							}
						}
						o, err := p.Run(t.Context(), j)
						switch {
						case err != nil:
							t.Errorf("job %d: %v", n, err)
						case want == "" && o.Failure != nil, want != "" && (o.Failure == nil || string(o.Failure.Code) != want):
							t.Errorf("job %d is to end as %q, and ended as %+v", n, want, o.Failure)
						case n%10 != 0 && string(o.Result) != "42":
							t.Errorf("job %d returned %s", n, o.Result)
						}
					}
				})
			}
			all.Wait()
			next.Store(end)
		}
		jails := p.data.size + p.plain.size
		settled := func() holdings {
			const looks = 20 // a jail's next process may be a while in the making
			var last holdings
			same := 0
			eventually(t, "every slot has its jails and nothing is being made or taken apart", func() bool {
				now := held(t, p)
				if same++; now.counted != last.counted || len(servers(p)) != jails {
					same = 0
				}
				last = now
				return same == looks
			})
			return last
		}
		round(*soakJobs / 5)
		before := settled()
		round(*soakJobs - *soakJobs/5)
		var after holdings
		defer func() { t.Logf("%d jobs: before %+v, after %+v", next.Load(), before, after) }()
		eventually(t, "what is held is what was held", func() bool {
			after = settled()
			return after.near(before.counted, jails)
		})
		if after.heap > before.heap+8<<20 {
			t.Errorf("the worker's heap has grown from %d to %d bytes", before.heap, after.heap)
		}
		if after.jails > before.jails*5/4 {
			t.Errorf("the jails have grown from %d to %d bytes", before.jails, after.jails)
		}
	})
}

// holdings is what this process and its jails hold.
type holdings struct {
	counted
	heap, jails int64 // bytes
}

type counted struct{ processes, descriptors, goroutines, mounts, cgroups int }

// near reports whether as much is held as in b. A server has one holder ahead or two, and goroutines stay, as many as were ever busy at
// once.
func (a counted) near(b counted, jails int) bool {
	most := max(a.processes-b.processes, b.processes-a.processes, a.goroutines-b.goroutines)
	a.processes, a.goroutines = b.processes, b.goroutines
	return a == b && most <= jails
}

func held(t *testing.T, p *Pool) holdings {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	h := holdings{heap: int64(memory.HeapAlloc)}
	h.descriptors, h.goroutines, h.mounts = len(fds), runtime.NumGoroutine(), bytes.Count(mounts, []byte("\n"))
	h.processes = len(descendants(t, os.Getpid()))
	for i, pid := range servers(p) {
		if i == 0 && p.plan.cgroups.Available() {
			groups, err := os.ReadDir(filepath.Dir(cgroupDir(t, pid, "memory")))
			if err != nil {
				t.Fatal(err)
			}
			h.cgroups = len(groups)
		}
		rss, err := procfs.StatusField(pid, "VmRSS")
		if err == nil {
			h.jails += rss
		}
	}
	return h
}

// descendants are the processes below pid, dead ones that nobody has waited for among them.
func descendants(t *testing.T, pid int) (below []int) {
	t.Helper()
	parents := parents(t)
	for child := range parents {
		for parent := parents[child]; parent != 0; parent = parents[parent] {
			if parent == pid {
				below = append(below, child)
				break
			}
		}
	}
	return below
}
