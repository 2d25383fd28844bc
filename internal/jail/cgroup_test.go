package jail

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/cgroup"
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
	for _, r := range p.warmPools() {
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
	for _, r := range p.warmPools() {
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
				{"many mappings", "import mmap\ndef main():\n    all = []\n    while True:\n        m = mmap.mmap(-1, 1 << 20)\n" +
					"        m.write(b'x' * (1 << 20))\n        all.append(m)\n"},
				{"files and heap", "def main():\n    with open('f', 'wb') as f:\n        for _ in range(60):\n" +
					"            f.write(b'x' * (1 << 20))\n    all = []\n    while True:\n        all.append(b'y' * (1 << 20))\n"},
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
	v := p.data.idle[0]
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
	for _, v := range p.data.idle {
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
	v := p.data.idle[0]
	eventually(t, "the server has said who its child is", func() bool { return v.jobPID() != 0 })
	pids := processesIn(t, cgroupDir(t, v.pid, "pids"))
	if len(pids) == 0 || !slices.Contains(pids, v.pid) || !slices.Contains(pids, v.jobPID()) {
		t.Fatalf("the cgroup has %v; the server is %d and its child %d", pids, v.pid, v.jobPID())
	}
	text, err := os.ReadFile(filepath.Join(cgroupDir(t, v.pid, "pids"), "pids.max"))
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

// cgroupDir is the directory of a process's cgroup.
func cgroupDir(t *testing.T, pid int, controller string) string {
	t.Helper()
	at, err := cgroup.PlaceOf(strconv.Itoa(pid))
	if err != nil {
		t.Fatal(err)
	}
	return at.Dir(controller)
}

func processesIn(t *testing.T, dir string) (pids []int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// A pool leaves nothing behind, and another pool of the same process is not in its way.
func TestCgroupsGoWithThePool(t *testing.T) {
	one := cgroupPool(t, Config{Slots: 2})
	two := cgroupPool(t, Config{})
	all := map[string]bool{}
	for _, p := range []*Pool{one, two} {
		for _, pid := range servers(p) {
			all[cgroupDir(t, pid, "memory")] = true
		}
	}
	var parent string
	for dir := range all {
		parent = filepath.Dir(dir)
	}
	if len(all) < 3 {
		t.Fatalf("three jails have the cgroups %v", all)
	}
	one.Close()
	wantResult(t, two, "def main(): return 1", "1")
	two.Close()
	if left, err := os.ReadDir(parent); !os.IsNotExist(err) {
		t.Errorf("%s is still there, with %v, %v", parent, left, err)
	}
}

// A job has one core's worth of time, however many threads it has and cores there are.
func TestOneCore(t *testing.T) {
	p := cgroupPool(t, Config{})
	if by := p.Enforced().CPU; by.By == "" {
		t.Skip("no cgroup bounds a jail's processor time here: ", by.Missing)
	}
	if dir := cgroupDir(t, p.data.idle[0].pid, "cpu"); p.Enforced().CPU.By == "cgroup v1" {
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
	if names, _ := there.Enforced().Missing(); len(names) > 0 {
		t.Skip("no cgroup bounds this here: ", names)
	}
	p := cgroupPool(t, Config{Cgroup: CgroupRequired})
	wantResult(t, p, "def main(): return 1", "1")

	lacking := Control{Missing: "the pids controller is not delegated to /here"}
	held := Control{By: "cgroup v2"}
	err := complete(Enforcement{Memory: held, Swap: held, Pids: lacking, CPU: lacking})
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
	if p.plan.cgroups.Available() || p.data.idle[0].cgroup != nil {
		t.Error("there is a cgroup")
	}
	if names, _ := p.Enforced().Missing(); len(names) != 4 {
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

// helperTest runs one test of this program anew, in a process of its own kind.
func helperTest(t *testing.T, name string, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), "CGROUP_HELPER="+name)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	switch {
	case errors.Is(err, unix.EPERM):
		t.Skip("no such process can be started here: ", err)
	case err != nil:
		t.Fatal(err)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skip("skipped in the process started for it; its output says why")
	}
}

// A container mounts the cgroups read-only: jobs run all the same, and what is not enforced is said.
func TestReadOnlyCgroups(t *testing.T) {
	if os.Getenv("CGROUP_HELPER") != t.Name() {
		helperTest(t, t.Name(), &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS})
		return
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(line, " - ")
		if strings.HasPrefix(after, "cgroup") {
			if err := unix.Mount("", strings.Fields(before)[4], "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				t.Skip("cgroups cannot be mounted read-only here: ", err)
			}
		}
	}
	wantUnbound(t, "read-only")
}

// Somebody with no privilege has no cgroup to write in, unless it was given to him.
func TestUnprivilegedCgroups(t *testing.T) {
	if os.Getenv("CGROUP_HELPER") != t.Name() {
		if os.Geteuid() != 0 {
			t.Skip("takes root, to become somebody else")
		}
		helperTest(t, t.Name(), &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
		return
	}
	wantUnbound(t, "denied")
}

func wantUnbound(t *testing.T, because string) {
	t.Helper()
	var log strings.Builder
	p, err := Open(t.Context(), Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Skip("no jail can be made here: ", err)
	}
	defer p.Close()
	wantExposed(t, p)
	for name, c := range map[string]Control{"memory": p.Enforced().Memory, "swap": p.Enforced().Swap, "pids": p.Enforced().Pids,
		"cpu": p.Enforced().CPU} {
		if c.By != "" || !strings.Contains(c.Missing, because) {
			t.Errorf("%s: %+v, want it missing because of %q", name, c, because)
		}
	}
	if strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), because) {
		t.Errorf("the log should warn once and say why: %s", &log)
	}
	wantResult(t, p, "def main(): return 1", "1")
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if text, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(text)) != want {
		t.Errorf("%s holds %q, %v; want %q", path, text, err, want)
	}
}
