package jail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

// eachPool runs f with a pool of each backend that is here, and looks for what it leaves behind.
func eachPool(t *testing.T, c Config, f func(t *testing.T, p *Pool)) {
	for _, b := range []struct {
		backend Backend
		program string
	}{{Nsjail, "nsjail"}, {Bubblewrap, "bwrap"}} {
		t.Run(string(b.backend), func(t *testing.T) {
			if _, err := exec.LookPath(b.program); err != nil {
				t.Skipf("%s is not on PATH", b.program)
			}
			if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil { // what loses its parent becomes our child
				t.Fatal(err)
			}
			c := c
			c.Backend, c.Logger = b.backend, slog.New(slog.NewTextHandler(t.Output(), nil))
			p, err := Open(t.Context(), c)
			if err != nil {
				t.Skip("no jail can be made here: ", err)
			}
			defer func() {
				p.Close()
				eventually(t, "no process is left", func() bool { return len(children(t)) == 0 })
			}()
			f(t, p)
		})
	}
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(patience); !ask(); <-again.C {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// children are the living processes whose parent is this one; dead ones are reaped.
func children(t *testing.T) []int {
	t.Helper()
	var living []int
	for pid, parent := range parents(t) {
		if parent != os.Getpid() {
			continue
		}
		if reaped, _ := unix.Wait4(pid, nil, unix.WNOHANG, nil); reaped != pid {
			living = append(living, pid)
		}
	}
	return living
}

// parents has the parent of every process there is.
func parents(t *testing.T) map[int]int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]int{}
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if fields := procfs.StatFields(pid); len(fields) > 1 { // else ended meanwhile
			all[pid], _ = strconv.Atoi(fields[1])
		}
	}
	return all
}

func TestPoolRuns(t *testing.T) {
	eachPool(t, Config{Denied: []string{"os"}}, func(t *testing.T, p *Pool) {
		o, err := p.Run(t.Context(), Job{
			Script: "import posix\ndef main(a, b):\n    print(input(), open('f').read())\n    posix.write(2, b'err')\n" +
				"    open('new', 'w').write('n')\n    return [a, b]\n",
			Args: json.RawMessage(`{"b": 2, "a": 1}`), Stdin: "in", Files: []File{{Path: "f", Content: "Zg==", Encoding: "base64"}},
		})
		if err != nil || o.Failure != nil {
			t.Fatalf("%v, %+v", err, o.Failure)
		}
		if string(o.Result) != "[1,2]" || o.Stdout.Text != "in f\n" || o.Stderr.Text != "err" || o.Stdout.Cut || len(o.Files) != 1 ||
			o.Files[0].Path != "new" {
			t.Errorf("%+v", o)
		}
		if o.Usage.Wall <= 0 || o.Usage.CPU <= 0 || o.Usage.CPU > patience {
			t.Errorf("usage %+v", o.Usage)
		}
		if m := o.Usage.Making; m.Walls < 0 || m.Fork < 0 || m.Fork+m.Walls == 0 || (m.Fork == 0) != (p.Isolation() == Process) {
			t.Errorf("making %+v", m)
		}
		o, err = p.Run(t.Context(), Job{Script: "import os\ndef main(): ..."})
		if err != nil || o.Failure == nil || o.Failure.Code != DangerousImport {
			t.Errorf("%v, %+v", err, o.Failure)
		}
		if m := o.Usage.Making; (m.Namespaces > 0) != (p.Isolation() != Process) {
			t.Errorf("making %+v", m)
		}
	})
}

// A job finds nothing of those before it: no file, no process, no change to a module, no variable.
func TestPoolForgets(t *testing.T) {
	const script = `
import json, posix, builtins
def main():
    seen = [sorted(p for p in posix.listdir("/tmp")), hasattr(json, "mark"), hasattr(builtins, "mark"), posix.getpid() < 10]
    json.mark = builtins.mark = 1
    open("mark", "w").write("x")
    return seen
`
	eachPool(t, Config{}, func(t *testing.T, p *Pool) {
		for range 5 {
			wantResult(t, p, script, `[[],false,false,true]`)
		}
	})
}

// TestPoolSpare: a job finds a warm process while others of its worker's slots are being made ready.
func TestPoolSpare(t *testing.T) {
	eachPool(t, Config{Slots: 1, Spare: 2}, func(t *testing.T, p *Pool) {
		seen := map[int]bool{}
		for range 3 {
			v, err := p.data.take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seen[v.pid] = true
			defer p.data.put(v)
		}
		if len(seen) != 3 || len(p.data.idle) != 0 {
			t.Errorf("%d jails for one slot and two to spare, and %d more", len(seen), len(p.data.idle))
		}
	})
}

func TestPoolRetiresByJobs(t *testing.T) {
	eachPool(t, Config{MaxJobs: 3}, func(t *testing.T, p *Pool) {
		first := idle(t, p)
		ran := 0
		eventually(t, "another server", func() bool {
			wantResult(t, p, "def main(): return 1", "1")
			ran++
			return idle(t, p) != first
		})
		if ran < 3 {
			t.Errorf("retired after %d jobs", ran)
		}
		second := idle(t, p)
		for range 2 {
			wantResult(t, p, "def main(): return 1", "1")
			if now := idle(t, p); now != second {
				t.Errorf("%d is gone after less than 3 jobs", second)
			}
		}
	})
}

// TestPoolOver: while successors start more slowly than jobs come, jobs wait for them rather than have a jail serve without end.
func TestPoolOver(t *testing.T) {
	eachPool(t, Config{MaxJobs: 2, Slots: 2}, func(t *testing.T, p *Pool) {
		var jobs sync.WaitGroup
		for range 2 {
			jobs.Go(func() {
				for range 30 {
					wantAnswer(t, p, "def main(): return 1", "1")
					p.data.mu.Lock()
					for _, v := range p.data.idle {
						if v.served > mostOver*2 {
							t.Errorf("a jail for 2 jobs has served %d", v.served)
						}
					}
					p.data.mu.Unlock()
				}
			})
		}
		jobs.Wait()
		eventually(t, "both are warm", func() bool { return len(servers(p)) == 2 })
	})
}

func TestPoolRetiresByAge(t *testing.T) {
	eachPool(t, Config{MaxAge: time.Nanosecond}, func(t *testing.T, p *Pool) {
		for range 3 {
			before := idle(t, p)
			wantResult(t, p, "def main(): return 1", "1")
			eventually(t, "another server", func() bool { return idle(t, p) != before })
		}
	})
}

// Jails that start together do not retire together: while one starts anew the others have its processors.
func TestPoolRetiresOneByOne(t *testing.T) {
	eachPool(t, Config{Slots: 3, MaxJobs: 30}, func(t *testing.T, p *Pool) {
		settled := func() (pids []int) {
			eventually(t, "three jails, none about to retire", func() bool {
				r := p.data
				r.mu.Lock()
				defer r.mu.Unlock()
				if len(r.idle) < 3 || slices.ContainsFunc(r.idle, func(v *warmJail) bool { return v.retiring }) {
					return false
				}
				pids = nil
				for _, v := range r.idle {
					pids = append(pids, v.pid)
				}
				return true
			})
			return pids
		}
		known, since := settled(), 0
		for ran, retired := 0, 0; retired < 4; ran++ {
			wantResult(t, p, "def main(): return 1", "1")
			since++
			now := settled()
			fresh := slices.DeleteFunc(slices.Clone(now), func(pid int) bool { return slices.Contains(known, pid) })
			if len(fresh) == 0 {
				continue
			}
			// Three jails of 30 jobs each: one after 30 jobs, with a few less or more where a job overtook another's return.
			if len(fresh) > 1 || since < 20 || since > 40 {
				t.Errorf("after %d jobs, the last %d of them since the one before: %d jails are new", ran, since, len(fresh))
			}
			known, since = now, 0
			retired += len(fresh)
		}
	})
}

func TestPoolUsedOnce(t *testing.T) {
	eachPool(t, Config{MaxJobs: 1}, func(t *testing.T, p *Pool) {
		known := map[int]bool{}
		for range 4 {
			eventually(t, "two warm jails", func() bool { return len(servers(p)) == 2 })
			before := servers(p)
			wantResult(t, p, "def main(): return 1", "1")
			eventually(t, "one of the two has gone", func() bool { return len(servers(p)) == 2 && !slices.Equal(servers(p), before) })
			for _, pid := range before {
				known[pid] = true
			}
		}
		if len(known) < 5 {
			t.Errorf("four jobs knew %d servers", len(known))
		}
	})
}

// The job's server dies under it, which says nothing against the job: it is answered all the same.
func TestPoolLosesServer(t *testing.T) {
	eachPool(t, Config{}, func(t *testing.T, p *Pool) {
		for _, when := range []string{"while a job runs", "while idle"} {
			t.Run(when, func(t *testing.T) {
				pid := idle(t, p)
				var answered sync.WaitGroup
				if when == "while a job runs" {
					answered.Go(func() { wantAnswer(t, p, "import time\ndef main():\n    time.sleep(1)\n    return 1", "1") })
					eventually(t, "the jail is at work", func() bool { return len(servers(p)) == 0 })
				}
				if err := unix.Kill(pid, unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
				answered.Wait()
				wantResult(t, p, "def main(): return 2", "2")
				eventually(t, "another server", func() bool { return idle(t, p) != pid })
			})
		}
	})
}

// A jail whose successor is being started dies before that is warm: neither of the two that take its place is forgotten.
func TestPoolLosesRetiring(t *testing.T) {
	eachPool(t, Config{MaxJobs: 2, Slots: 2}, func(t *testing.T, p *Pool) {
		for range 5 {
			eventually(t, "both are warm", func() bool { return len(servers(p)) == 2 })
			pid := servers(p)[0]
			wantResult(t, p, "def main(): return 1", "1")
			wantResult(t, p, "def main(): return 1", "1")
			unix.Kill(pid, unix.SIGKILL) // may have gone already
			wantResult(t, p, "def main(): return 2", "2")
		}
	})
}

// A server that does not answer any more is ended with the program that has built its jail.
func TestServerEndsWithItsJail(t *testing.T) {
	eachPool(t, Config{Cgroup: CgroupOff}, func(t *testing.T, p *Pool) {
		v := p.data.idle[0]
		if err := unix.Kill(v.pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if err := v.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the server is gone", func() bool { return unix.Kill(v.pid, 0) != nil || zombie(t, v.pid) })
	})
}

// zombie reports whether a process has ended and has not been waited for.
func zombie(t *testing.T, pid int) bool {
	t.Helper()
	stat, err := os.ReadFile(procfs.Path(pid, "stat"))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestPoolCancel(t *testing.T) {
	eachPool(t, Config{}, func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		o, err := p.Run(ctx, Job{Script: "import time\ndef main():\n    print('partial', end='')\n    time.sleep(60)"})
		if err != nil || o.Failure == nil || o.Failure.Code != Crashed || o.Stdout.Text != "partial" || o.Result != nil {
			t.Errorf("%v, %+v", err, o)
		}
		if took := time.Since(begun); took > 9*time.Second {
			t.Errorf("took %s to end", took)
		}
		wantResult(t, p, "def main(): return 1", "1")

		// Nobody gets a slot while another job has it.
		busy, free := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { p.Run(busy, Job{Script: "import time\ndef main(): time.sleep(60)"}) })
		eventually(t, "the slot is taken", func() bool { return len(p.slots) == 1 })
		if _, err := p.Run(ctx, Job{Script: "def main(): ..."}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a slot: %v", err)
		}
		free()
		running.Wait()
	})
}

func TestPoolConcurrent(t *testing.T) {
	eachPool(t, Config{Slots: 3, MaxJobs: 5}, func(t *testing.T, p *Pool) {
		var jobs sync.WaitGroup
		for n := range 40 {
			jobs.Go(func() {
				wantAnswer(t, p, fmt.Sprintf("import time\nopen('n', 'x').write('%d')\ndef main():\n    time.sleep(0.005)\n"+
					"    return open('n').read()", n), fmt.Sprintf(`"%d"`, n))
			})
		}
		jobs.Wait()
		eventually(t, "all slots are warm", func() bool { return len(servers(p)) == 3 })
	})
}

// Close ends what runs, answers whoever waits, and leaves nothing: the last is eachPool's to see.
func TestPoolClose(t *testing.T) {
	eachPool(t, Config{Slots: 2}, func(t *testing.T, p *Pool) {
		var jobs sync.WaitGroup
		for range 4 {
			jobs.Go(func() {
				o, err := p.Run(t.Context(), Job{Script: "import time\ndef main(): time.sleep(60)", Timeout: 9 * time.Second})
				if err == nil && (o.Failure == nil || o.Failure.Code != Crashed) || err != nil && !errors.Is(err, ErrClosed) {
					t.Errorf("%v, %+v", err, o.Failure)
				}
			})
		}
		eventually(t, "both slots are at work", func() bool { return len(servers(p)) == 0 })
		begun := time.Now()
		jobs.Go(p.Close)
		p.Close()
		jobs.Wait()
		if took := time.Since(begun); took > 8*time.Second {
			t.Errorf("waited %s for running jobs", took)
		}
		if _, err := p.Run(t.Context(), Job{Script: "def main(): ..."}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Jobs that end badly leave a pool that works as before.
func TestPoolAfterHarm(t *testing.T) {
	eachPool(t, Config{Limits: Limits{MemoryMB: 40, OutputBytes: 1 << 10}}, func(t *testing.T, p *Pool) {
		for _, h := range []struct {
			script string
			code   Code
		}{
			{"def main():\n    while True: pass", Timeout},
			{"def main(): bytearray(100 << 20)", MemoryLimit},
			{"def main():\n    while True: print('x' * 1000)", OutputLimit},
			{"import ctypes\ndef main(): ctypes.string_at(0)", Crashed},
			{"import posix\ndef main(): posix._exit(1)", Crashed},
			{"import posix\ndef main(): posix.close(4)", Crashed},
			{"import posix\ndef main():\n    while True: posix.write(4, b'x' * 1000000)", OutputLimit},
			{"def main(): 1/0", Exception},
		} {
			j := Job{Script: h.script}
			if h.code == Timeout {
				j.Timeout = 300 * time.Millisecond
			}
			if o, err := p.Run(t.Context(), j); err != nil || o.Failure == nil || o.Failure.Code != h.code {
				t.Errorf("%q: %v, %+v, want %s", h.script, err, o.Failure, h.code)
			}
			wantResult(t, p, "def main(): return 1", "1")
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []Config{{Backend: "docker"}, {Python: "/no/python"}, {Preload: []string{"no_such_module"}}} {
		p, err := Open(t.Context(), c)
		if err == nil {
			p.Close()
			t.Errorf("opened with %+v", c)
		}
	}
}

// idle is the one server of a pool with one slot, once it has nothing to do.
func idle(t *testing.T, p *Pool) int {
	t.Helper()
	var all []int
	eventually(t, "the jail is idle", func() bool {
		all = servers(p)
		return len(all) == 1
	})
	return all[0]
}

// wantAnswer is wantResult for a goroutine of its own.
func wantAnswer(t *testing.T, p *Pool, script, want string) {
	o, err := p.Run(t.Context(), Job{Script: script})
	if err != nil || o.Failure != nil || string(o.Result) != want {
		t.Errorf("%v, %+v, got %s, want %s", err, o.Failure, o.Result, want)
	}
}
