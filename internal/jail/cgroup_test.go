package jail

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cgroupPool opens a pool whose jails' memory and processes a cgroup bounds, or skips the test.
func cgroupPool(t *testing.T, c Config) *Pool {
	t.Helper()
	if c.Level == "" {
		c.Level = Namespaces
	}
	c.Limits.Timeout = time.Minute // an emulated machine takes its time
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	p, err := Open(t.Context(), c)
	if err != nil {
		t.Skip("no jail can be made here: ", err)
	}
	t.Cleanup(p.Close)
	if e := p.Enforced(); e.Memory.By == "" || e.Pids.By == "" {
		t.Skip("no cgroup bounds a jail here: ", e.Memory.Missing, e.Pids.Missing)
	}
	return p
}

// withoutLook lifts the memory limit of every job to come, so that only the cgroup bounds its memory.
func withoutLook(p *Pool) {
	p.work.Wait() // until every jail is idle
	for _, r := range p.racks() {
		r.mu.Lock()
		for _, v := range r.idle {
			v.limits.MemoryMB = 64 << 10
		}
		r.mu.Unlock()
	}
}

func run(t *testing.T, p *Pool, script string) Outcome {
	t.Helper()
	o, err := p.Run(t.Context(), Job{Script: script})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func wantResult(t *testing.T, p *Pool, script, want string) {
	t.Helper()
	if o := run(t, p, script); o.Failure != nil || string(o.Result) != want {
		t.Fatalf("got %s, %+v, want %s", o.Result, o.Failure, want)
	}
}

// servers are the pids of the fork servers that are idle.
func servers(p *Pool) []int {
	var all []int
	for _, r := range p.racks() {
		r.mu.Lock()
		for _, v := range r.idle {
			all = append(all, v.pid)
		}
		r.mu.Unlock()
	}
	slices.Sort(all)
	return all
}

// Each of these takes memory as if the worker did not look.
func TestMemoryOfTheJail(t *testing.T) {
	for _, b := range []Backend{Nsjail, Bubblewrap} {
		t.Run(string(b), func(t *testing.T) {
			p := cgroupPool(t, Config{Backend: b, Preload: []string{"numpy"}})
			for _, attack := range []struct{ name, script string }{
				{"many mappings", "import mmap\ndef main():\n    all = []\n    while True:\n        m = mmap.mmap(-1, 1 << 20)\n        m.write(b'x' * (1 << 20))\n        all.append(m)\n"},
				{"files and heap", "def main():\n    with open('f', 'wb') as f:\n        for _ in range(60):\n            f.write(b'x' * (1 << 20))\n    all = []\n    while True:\n        all.append(b'y' * (1 << 20))\n"},
				{"a library that is preloaded", "import numpy\ndef main():\n    all = []\n    while True:\n        all.append(numpy.ones(1 << 17))\n"},
			} {
				t.Run(attack.name, func(t *testing.T) {
					withoutLook(p)
					before := servers(p)
					o := run(t, p, attack.script)
					if o.Failure == nil || o.Failure.Code != MemoryLimit || !strings.Contains(o.Failure.Message, "memory limit of ") {
						t.Fatalf("got %+v, want a memory limit", o.Failure)
					}
					wantResult(t, p, "def main(): return 1", "1")
					wantResult(t, p, "import numpy\ndef main(): return 2", "2")
					p.work.Wait()
					if after := servers(p); !slices.Equal(before, after) {
						t.Errorf("the servers were %v and are %v: a job took one with it", before, after)
					}
				})
			}
		})
	}
}

// Were the kernel to kill the server in place of the job, the job would not go on to kill the next one.
func TestServerKilledForMemory(t *testing.T) {
	p := cgroupPool(t, Config{})
	withoutLook(p)
	wantExposed(t, p) // else that may yet come after what follows
	v := p.loaded.idle[0]
	for pid, score := range map[int]string{v.pid: "1000", v.jobPID(): "0"} {
		if err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte(score), 0); err != nil {
			t.Skip("the kernel's choice cannot be changed here: ", err)
		}
	}
	o := run(t, p, "def main():\n    all = []\n    while True:\n        all.append(b'y' * (1 << 20))\n")
	if o.Failure == nil || o.Failure.Code != MemoryLimit {
		t.Errorf("got %+v, want a memory limit", o.Failure)
	}
	wantResult(t, p, "def main(): return 1", "1")
	if left := servers(p); slices.Contains(left, v.pid) {
		t.Errorf("the server was to be killed, but %d is in %v", v.pid, left)
	}
}

// At level Process the job is the server: both go, and the next jail is there.
func TestMemoryAtLevelProcess(t *testing.T) {
	p := cgroupPool(t, Config{Backend: Nsjail, Level: Process})
	withoutLook(p)
	o := run(t, p, "def main():\n    all = []\n    while True:\n        all.append(b'y' * (1 << 20))\n")
	if o.Failure == nil || o.Failure.Code != MemoryLimit {
		t.Errorf("got %+v, want a memory limit", o.Failure)
	}
	wantResult(t, p, "def main(): return 1", "1")
}

// wantExposed asks for idle jails' children to be what the kernel kills first.
func wantExposed(t *testing.T, p *Pool) {
	t.Helper()
	for _, v := range p.loaded.idle {
		for deadline := time.Now().Add(10 * time.Second); v.jobPID() == 0 && time.Now().Before(deadline); {
			runtime.Gosched() // the word of the fork is on its way
		}
		text, err := os.ReadFile("/proc/" + strconv.Itoa(v.jobPID()) + "/oom_score_adj")
		if err != nil || strings.TrimSpace(string(text)) != "1000" {
			t.Errorf("a job's oom_score_adj is %q, %v; want 1000", text, err)
		}
	}
}

// A job within its limit: what fills sockets is the kernel's memory, and nobody but the cgroup counts it.
func TestSocketsAndHeap(t *testing.T) {
	p := cgroupPool(t, Config{})
	o := run(t, p, `
import socket

def main():
    heap = b'x' * (85 << 20)
    with open('f', 'wb') as f:
        for _ in range(60):
            f.write(b'x' * (1 << 20))
    ends = []
    try:
        while True:
            pair = socket.socketpair()
            ends.append(pair)
            for end in pair:
                end.setblocking(False)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                try:
                    while True:
                        end.send(b'x' * 4096)
                except BlockingIOError:
                    pass
    except OSError:
        pass
    return len(ends), len(heap)
`)
	if o.Failure == nil || o.Failure.Code != MemoryLimit {
		t.Errorf("got %s, %+v, want a memory limit", o.Result, o.Failure)
	}
	wantResult(t, p, "def main(): return 1", "1")
}

// What all processes of a jail may be is bounded, whatever their uid.
func TestPidsAreBounded(t *testing.T) {
	p := cgroupPool(t, Config{Limits: Limits{Threads: 5}})
	v := p.loaded.idle[0]
	eventually(t, "the server has said who its child is", func() bool { return v.jobPID() != 0 })
	pids := v.cgroup.group.pids()
	if len(pids) == 0 || !slices.Contains(pids, v.pid) || !slices.Contains(pids, v.jobPID()) {
		t.Fatalf("the cgroup has %v; the server is %d and its child %d", pids, v.pid, v.jobPID())
	}
	text, err := os.ReadFile(filepath.Join(directory(v, "pids"), "pids.max"))
	// The threads, and eight: the server, the job's main thread, its holder, the next one, and up to four that have ended and are buried
	// in a moment.
	if err != nil || strings.TrimSpace(string(text)) != "13" {
		t.Errorf("pids.max is %q, %v; want 13", text, err)
	}
	wantExposed(t, p)
	wantResult(t, p, `
import threading

def main():
    done, all = threading.Event(), []
    try:
        while True:
            t = threading.Thread(target=done.wait)
            t.start()
            all.append(t)
    except RuntimeError:
        return len(all)
    finally:
        done.set()
`, "5")
}

func directory(v *server, controller string) string {
	switch g := v.cgroup.group.(type) {
	case groupV1:
		return g.hierarchy.dir(controller, g.name)
	case groupV2:
		return g.dir
	}
	return ""
}

// A pool leaves nothing behind, and another pool of the same process is not in its way.
func TestCgroupsGoWithThePool(t *testing.T) {
	one := cgroupPool(t, Config{Slots: 2})
	two := cgroupPool(t, Config{})
	h := one.plan.cgroups.hierarchy
	if jails := h.list(parentName()); len(jails) < 3 {
		t.Fatalf("three jails have the cgroups %v", jails)
	}
	one.Close()
	wantResult(t, two, "def main(): return 1", "1")
	two.Close()
	if names := h.list(""); slices.Contains(names, parentName()) {
		t.Errorf("%s is still there, with %v", parentName(), h.list(parentName()))
	}
}

// A worker that was killed leaves its cgroups, and at worst a process in one.
func TestLeftoversAreRemoved(t *testing.T) {
	p := cgroupPool(t, Config{})
	h := p.plan.cgroups.hierarchy
	left := cgroupPrefix + "1-1" // pid 1 is somebody, but did not start at that time
	orphan := exec.Command("/bin/sleep", "1000")
	if err := orphan.Start(); err != nil {
		t.Skip("no process can be started here: ", err)
	}
	g, err := h.make(left+"/7", bounds{pids: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.add(orphan.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := h.make(left+"/8", bounds{memory: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	removeLeftovers(h, p.log)
	if err := <-ended; err == nil {
		t.Error("the process that was left was not killed")
	}
	names := h.list("")
	if slices.Contains(names, left) {
		t.Errorf("%s is still there", left)
	}
	if !slices.Contains(names, parentName()) {
		t.Error("the cgroups of this very process were taken for leftovers")
	}
	wantResult(t, p, "def main(): return 1", "1")
}

// A job has one core's worth of time, however many threads it has and cores there are.
func TestOneCore(t *testing.T) {
	p := cgroupPool(t, Config{})
	if by := p.Enforced().CPU; by.By == "" {
		t.Skip("no cgroup bounds a jail's processor time here: ", by.Missing)
	}
	if dir := directory(p.loaded.idle[0], "cpu"); p.Enforced().CPU.By == "cgroup v1" {
		wantFile(t, filepath.Join(dir, "cpu.cfs_quota_us"), "100000")
	} else {
		wantFile(t, filepath.Join(dir, "cpu.max"), "100000 100000")
	}
	if runtime.NumCPU() == 1 {
		t.Skip("there is one core only")
	}
	o := run(t, p, `
import hashlib, threading, time

def main():
    end, block = time.monotonic() + 1, bytes(1 << 20)

    def work():
        while time.monotonic() < end:
            hashlib.sha256(block).digest()  # without the interpreter's lock

    all = [threading.Thread(target=work) for _ in range(4)]
    for t in all:
        t.start()
    for t in all:
        t.join()
`)
	if o.Failure != nil {
		t.Fatalf("%+v", o.Failure)
	}
	// A period that has begun may be used up on each end.
	if cores := o.Usage.CPU.Seconds() / o.Usage.Wall.Seconds(); cores > 1.3 {
		t.Errorf("four threads used %.2f cores", cores)
	} else {
		t.Logf("four threads used %.2f cores", cores)
	}
}

// A pool that must have cgroups either has them or says what is missing and what to do.
func TestCgroupRequired(t *testing.T) {
	there := cgroupPool(t, Config{})
	if names, _ := there.plan.cgroups.missing(); len(names) > 0 {
		t.Skip("no cgroup bounds this here: ", names)
	}
	p := cgroupPool(t, Config{Cgroup: CgroupRequired})
	wantResult(t, p, "def main(): return 1", "1")

	lacking := Control{Missing: "the pids controller is not delegated to /here"}
	some := &cgroups{enforced: Enforcement{Memory: Control{By: "cgroup v2"}, Swap: Control{By: "cgroup v2"}, Pids: lacking, CPU: lacking}}
	err := some.complete()
	for _, want := range []string{"JAIL_CGROUP is required", "no cgroup bounds pids, cpu here", lacking.Missing, "Delegate=yes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error %v lacks %q", err, want)
		}
	}
}

// Without cgroups there is none, and nothing is promised that only one could hold.
func TestCgroupOff(t *testing.T) {
	c := Config{Level: Namespaces, Cgroup: CgroupOff}
	p, err := Open(t.Context(), c)
	if err != nil {
		t.Skip("no jail can be made here: ", err)
	}
	defer p.Close()
	if p.plan.cgroups.hierarchy != nil || p.loaded.idle[0].cgroup != nil {
		t.Error("there is a cgroup")
	}
	if names, _ := p.plan.cgroups.missing(); len(names) != 4 {
		t.Errorf("only %v count as missing", names)
	}
	walls, err := p.Prove(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range walls {
		if strings.Contains(w.PromisedBy, "cgroup") {
			t.Errorf("promised: %+v", w)
		}
	}
}
