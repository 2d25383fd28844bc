package hostile

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"safepy/test/harness"
)

// TestCgroups finds out by itself whether a cgroup can be made on this host. Where one can, every job must be in one that bounds it:
// a worker that did not notice, or set one up and left it empty, fails here.
func TestCgroups(t *testing.T) {
	eachWorker(t, 1, func(t *testing.T, level string, worker *exec.Cmd, env []string) {
		tree := delegated(t, worker)
		s := start(t, level, worker, env...)
		t.Run("bounds", func(t *testing.T) {
			id := s.submit(t, request{Script: crowd})
			pid := s.crowded(t)
			memory := tree.limit(t, pid, "memory", "memory.limit_in_bytes", "memory.max")
			if memory < 100<<20 || memory > 1<<30 {
				t.Errorf("its cgroup holds a job with a limit of 100 MB to %d bytes", memory)
			}
			swap := tree.limit(t, pid, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
			if tree.unified && swap != 0 || !tree.unified && swap != memory {
				t.Errorf("it may swap: %d bytes, of memory %d", swap, memory)
			}
			if tasks := tree.limit(t, pid, "pids", "pids.max", "pids.max"); tasks < 17 || tasks > 64 {
				t.Errorf("its cgroup holds a job with 16 threads to %d tasks", tasks)
			}
			s.cancel(t, id)
		})
		t.Run("memory that is the kernel's", func(t *testing.T) {
			j := s.run(t, request{Script: hoard})
			if j.Error == nil || j.Error.Code != "memory_limit" {
				t.Errorf("it ended like this: %.500s", j.whole)
			}
			s.askHonestly(t)
		})
	})
}

// TestCgroupRequired asks for what this worker cannot have.
func TestCgroupRequired(t *testing.T) {
	worker := nobody(t)
	worker.Args = append(worker.Args, "probe")
	worker.Env = append(os.Environ(), "JAIL_CGROUP=required", "JAIL_ISOLATION=auto")
	said, err := worker.CombinedOutput()
	if err == nil {
		t.Fatalf("a worker that may write no cgroup is content: %s", said)
	}
	for _, want := range []string{"JAIL_CGROUP is required", "no cgroup bounds memory, swap, pids, cpu here", "Delegate=yes"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("it does not say %q: %s", want, said)
		}
	}
}

// crowd is a job that can be told from every other process: no other in a jail has threads.
const crowd = `
import threading
def main():
    end = threading.Event()
    for _ in range(7):
        threading.Thread(target=end.wait, daemon=True).start()
    end.wait()
`

// hoard stays within its limits. What fills its sockets is the kernel's memory, and its files lie in memory or on a disk.
const hoard = `
import socket
def main():
    heap, ends = b"x" * (85 << 20), []
    with open("f", "wb") as f:
        for _ in range(40):
            f.write(b"x" * (1 << 20))
    try:
        while True:
            pair = socket.socketpair()
            ends.append(pair)
            for end in pair:
                end.setblocking(False)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                try:
                    while True:
                        end.send(b"x" * 4096)
                except BlockingIOError:
                    pass
    except OSError:
        pass
    return len(ends), len(heap)
`

// crowded waits for the job with the threads and returns its process.
func (s *service) crowded(t *testing.T) int {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	everybody := &idle{}
	for end := time.Now().Add(harness.Patience); time.Now().Before(end); <-again.C {
		for pid := range everybody.now() {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			if tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)); len(tasks) == 8 && strings.HasPrefix(string(name), "python") {
				return pid
			}
		}
	}
	t.Fatal("the job with the threads is not to be seen")
	return 0
}

func (s *service) cancel(t *testing.T, id string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodDelete, s.URL+"/jobs/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	s.await(t, id, func(status string) bool { return status == "canceled" })
}

// cgroupTree is where the kernel shows its cgroups: the mount of each controller of version 1, or that of version 2.
type cgroupTree struct {
	unified bool
	mounts  map[string]string
}

// delegated makes and bounds a cgroup beside which the worker will stand, and skips the test where it cannot. With version 2 one
// that may be divided must have no process but the worker: it gets one of its own.
func delegated(t *testing.T, worker *exec.Cmd) *cgroupTree {
	t.Helper()
	tree := &cgroupTree{mounts: map[string]string{}}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		before, after, _ := strings.Cut(line, " - ")
		point, kind := strings.Fields(before)[4], strings.Fields(after)
		switch kind[0] {
		case "cgroup2":
			tree.mounts[""] = point
		case "cgroup":
			for controller := range strings.SplitSeq(kind[len(kind)-1], ",") {
				tree.mounts[controller] = point
			}
		}
	}
	name := fmt.Sprintf("hostile-%d", os.Getpid())
	if tree.mounts["memory"] == "" {
		tree.unified = true
		dir := filepath.Join(tree.mounts[""], tree.path(t, "self", ""), name)
		makeGroup(t, dir)
		t.Cleanup(func() { removeGroups(dir) })
		has, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		for _, controller := range []string{"memory", "pids"} {
			if !slices.Contains(strings.Fields(string(has)), controller) {
				t.Skipf("no cgroup bounds anything here: %s has the controllers %q", dir, has)
			}
		}
		own, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { own.Close() })
		worker.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(own.Fd())}
		return tree
	}
	for controller, limit := range map[string]string{"memory": "memory.limit_in_bytes", "pids": "pids.max"} {
		dir := filepath.Join(tree.mounts[controller], tree.path(t, "self", controller), name)
		makeGroup(t, dir)
		err = os.WriteFile(filepath.Join(dir, limit), []byte("1048576"), 0)
		removeGroups(dir)
		if err != nil {
			t.Skip("no cgroup bounds anything here: ", err)
		}
	}
	return tree
}

func makeGroup(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip("no cgroup can be made here: ", err)
	}
}

// removeGroups removes a cgroup and those in it. The kernel's files in them go with them.
func removeGroups(dir string) {
	below, _ := filepath.Glob(filepath.Join(dir, "*", "cgroup.procs"))
	for _, file := range below {
		removeGroups(filepath.Dir(file))
	}
	os.Remove(dir)
}

// path is where a process stands below the mount.
func (c *cgroupTree) path(t *testing.T, pid, controller string) string {
	t.Helper()
	own, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(own)) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 && slices.Contains(strings.Split(f[1], ","), controller) {
			return f[2]
		}
	}
	t.Fatalf("process %s is in no cgroup of %q: %s", pid, controller, own)
	return ""
}

// limit is what the cgroup of a process allows; "max" is much.
func (c *cgroupTree) limit(t *testing.T, pid int, controller, v1, v2 string) int64 {
	t.Helper()
	file := v1
	if c.unified {
		controller, file = "", v2
	}
	text, err := os.ReadFile(filepath.Join(c.mounts[controller], c.path(t, strconv.Itoa(pid), controller), file))
	if err != nil {
		t.Errorf("it is bounded by nothing: %v", err)
		return -1
	}
	value := strings.TrimSpace(string(text))
	if value == "max" {
		return 1 << 62
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
