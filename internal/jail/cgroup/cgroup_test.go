package jail

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParsePlace(t *testing.T) {
	for _, test := range []struct {
		name, own, mounts string
		want              place
	}{
		{"version 2 under systemd", "0::/system.slice/safepy.service\n",
			"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
			place{map[string]placeV1{}, "/sys/fs/cgroup/system.slice/safepy.service"}},
		{"version 2 in a container with a cgroup namespace", "0::/\n",
			"900 899 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
			place{map[string]placeV1{}, "/sys/fs/cgroup"}},
		{"version 1 with controllers mounted together", "4:memory:/user.slice\n2:cpu,cpuacct:/user.slice\n1:name=systemd:/a:b\n0::/\n",
			"31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
			place{map[string]placeV1{"memory": {"/sys/fs/cgroup/memory", "user.slice"}, "cpu": {"/sys/fs/cgroup/cpu,cpuacct", "user.slice"}}, ""}},
		{"version 1 in a container that sees its own cgroup as the root of the mount", "8:pids:/docker/4f\n",
			"32 30 0:28 /docker/4f /sys/fs/cgroup/pids ro - cgroup pids rw,pids\n",
			place{map[string]placeV1{"pids": {"/sys/fs/cgroup/pids", "."}}, ""}},
		{"a mount that does not show where we are is no place", "8:pids:/elsewhere\n0::/x\n",
			"32 30 0:28 /docker/4f /sys/fs/cgroup/pids ro - cgroup pids rw,pids\n33 30 0:29 / /mnt/with\\040blank rw - cgroup2 none rw\n",
			place{map[string]placeV1{}, "/mnt/with blank/x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parsePlace(test.own, test.mounts)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
	for own, mounts := range map[string]string{"": "", "0::/\n": "", "nonsense\n": "33 30 0:29 / /sys/fs/cgroup rw - cgroup2 none rw\n", "0::/../..\n": "33 30 0:29 / /sys/fs/cgroup rw - cgroup2 none rw\n"} {
		if p, err := parsePlace(own, mounts); err == nil {
			t.Errorf("%q, %q: got %+v, want an error", own, mounts, p)
		}
	}
}

// fakeV2 is a directory that looks like a delegated cgroup; nothing in it does anything.
func fakeV2(t *testing.T, controllers string) *hierarchyV2 {
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Join(dir, parentName())} {
		os.MkdirAll(d, 0o755)
		for _, f := range []string{"cgroup.controllers", "cgroup.subtree_control", "cgroup.procs"} {
			if err := os.WriteFile(filepath.Join(d, f), []byte(controllers), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	h, err := newV2(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if text, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(text)) != want {
		t.Errorf("%s holds %q, %v; want %q", path, text, err, want)
	}
}

func TestV2Writes(t *testing.T) {
	h := fakeV2(t, "cpuset cpu io memory pids")
	name := newGroupName()
	dir := filepath.Join(h.dir, name)
	os.MkdirAll(dir, 0o755)
	os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("max"), 0o644)
	g, err := h.make(name, bounds{memory: 200 << 20, noSwap: true, pids: 20, cpu: cpuPeriod})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.add(4321); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"memory.max": "209715200", "memory.swap.max": "0", "pids.max": "20", "cpu.max": "100000 100000", "cgroup.procs": "4321",
	} {
		wantFile(t, filepath.Join(dir, file), want)
	}
	wantFile(t, filepath.Join(h.dir, "cgroup.subtree_control"), "+cpu +memory +pids"+"ry pids") // over the start of what was there
	j := &jailCgroup{group: g}
	for _, step := range []struct {
		events string
		want   bool
	}{{"low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n", true}, {"oom_kill 1\n", false}, {"oom_kill 2\n", true}, {"", false}} {
		os.WriteFile(filepath.Join(dir, "memory.events"), []byte(step.events), 0o644)
		if got := j.ranOut(); got != step.want {
			t.Errorf("after %d kills, %q: ran out is %t", j.kills, step.events, got)
		}
		j.before()
	}
}

// What has not been delegated, and a kernel that does not account swap, are told apart and named.
func TestV2NamesWhatIsMissing(t *testing.T) {
	h := fakeV2(t, "cpu memory")
	c := &cgroups{limits: Config{}.withDefaults().Limits, log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	v := &server{pid: os.Getpid()}
	if err := c.try(h, v); err != nil {
		t.Fatal(err)
	}
	by := Control{By: "cgroup v2"}
	if c.enforced.Memory != by || c.enforced.CPU != by {
		t.Errorf("got %+v, want memory and CPU enforced", c.enforced)
	}
	if c.enforced.Swap.By != "" || !strings.Contains(c.enforced.Swap.Missing, "swap") {
		t.Errorf("swap: %+v", c.enforced.Swap)
	}
	if c.enforced.Pids.By != "" || !strings.Contains(c.enforced.Pids.Missing, "pids controller is not delegated") {
		t.Errorf("pids: %+v", c.enforced.Pids)
	}
	wantFile(t, filepath.Join(directory(v, "memory"), "cgroup.procs"), strconv.Itoa(os.Getpid()))
}

// A cgroup that bounds others may hold no process: the kernel says EBUSY, which no directory can be made to say.
func TestV2LeavesItsPlace(t *testing.T) {
	h := fakeV2(t, "memory")
	os.WriteFile(filepath.Join(h.dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
	if err := h.moveToLeaf(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(h.dir, workerLeaf, "cgroup.procs"), strconv.Itoa(os.Getpid()))
	os.WriteFile(filepath.Join(h.dir, "cgroup.procs"), []byte("1\n"), 0o644)
	if err := h.moveToLeaf(); err == nil || !strings.Contains(err.Error(), "1 are in it") {
		t.Errorf("with process 1 in it: %v", err)
	}
	again, err := newV2(filepath.Join(h.dir, workerLeaf))
	if err != nil || again.dir != h.dir {
		t.Errorf("a worker in the leaf of another uses %v, %v, want %s", again, err, h.dir)
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
	for name, c := range map[string]Control{"memory": p.Enforced().Memory, "swap": p.Enforced().Swap, "pids": p.Enforced().Pids, "cpu": p.Enforced().CPU} {
		if c.By != "" || !strings.Contains(c.Missing, because) {
			t.Errorf("%s: %+v, want it missing because of %q", name, c, because)
		}
	}
	if strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), because) {
		t.Errorf("the log should warn once and say why: %s", &log)
	}
	wantResult(t, p, "def main(): return 1", "1")
}
