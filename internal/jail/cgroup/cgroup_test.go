package cgroup

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestParsePlace(t *testing.T) {
	for _, test := range []struct {
		name, own, mounts string
		want              Place
	}{
		{"version 2 under systemd", "0::/system.slice/safepy.service\n",
			"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
			Place{map[string]placeV1{}, "/sys/fs/cgroup/system.slice/safepy.service"}},
		{"version 2 in a container with a cgroup namespace", "0::/\n",
			"900 899 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
			Place{map[string]placeV1{}, "/sys/fs/cgroup"}},
		{"version 1 with controllers mounted together", "4:memory:/user.slice\n2:cpu,cpuacct:/user.slice\n1:name=systemd:/a:b\n0::/\n",
			"31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
				"32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
			Place{map[string]placeV1{"memory": {"/sys/fs/cgroup/memory", "user.slice"}, "cpu": {"/sys/fs/cgroup/cpu,cpuacct", "user.slice"}}, ""}},
		{"version 1 in a container that sees its own cgroup as the root of the mount", "8:pids:/docker/4f\n",
			"32 30 0:28 /docker/4f /sys/fs/cgroup/pids ro - cgroup pids rw,pids\n",
			Place{map[string]placeV1{"pids": {"/sys/fs/cgroup/pids", "."}}, ""}},
		{"a mount that does not show where we are is no place", "8:pids:/elsewhere\n0::/x\n",
			"32 30 0:28 /docker/4f /sys/fs/cgroup/pids ro - cgroup pids rw,pids\n33 30 0:29 / /mnt/with\\040blank rw - cgroup2 none rw\n",
			Place{map[string]placeV1{}, "/mnt/with blank/x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parsePlace(test.own, test.mounts)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
	for own, mounts := range map[string]string{"": "", "0::/\n": "", "nonsense\n": "33 30 0:29 / /sys/fs/cgroup rw - cgroup2 none rw\n",
		"0::/../..\n": "33 30 0:29 / /sys/fs/cgroup rw - cgroup2 none rw\n"} {
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
	g, err := h.make(name, Bounds{Memory: 200 << 20, NoSwap: true, Pids: 20, CPU: CPUPeriod})
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
	counted := &Group{group: g}
	for _, step := range []struct {
		events string
		want   bool
	}{{"low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n", true}, {"oom_kill 1\n", false}, {"oom_kill 2\n", true}, {"", false}} {
		os.WriteFile(filepath.Join(dir, "memory.events"), []byte(step.events), 0o644)
		if got := counted.RanOut(); got != step.want {
			t.Errorf("after %d kills, %q: ran out is %t", counted.kills, step.events, got)
		}
		counted.MarkKills()
	}
}

// What has not been delegated, and a kernel that does not account swap, are told apart and named.
func TestV2NamesWhatIsMissing(t *testing.T) {
	h := fakeV2(t, "cpu memory")
	c := &Cgroups{}
	g, err := c.try(h, os.Getpid(), Bounds{Memory: 200 << 20, NoSwap: true, Pids: 20, CPU: CPUPeriod})
	if err != nil {
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
	wantFile(t, filepath.Join(g.group.(groupV2).dir, "cgroup.procs"), strconv.Itoa(os.Getpid()))
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
