package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/cgroups/v3/cgroup2"
	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

// workerLeaf is where a worker puts itself below its own cgroup: one that bounds others may hold no process.
const workerLeaf = "worker"

// hierarchyV2 is the unified tree below dir, this process's own cgroup or the one around its leaf.
type hierarchyV2 struct{ dir string }

func newV2(dir string) (*hierarchyV2, error) {
	if filepath.Base(dir) == workerLeaf {
		dir = filepath.Dir(dir) // a worker before this one, or systemd's DelegateSubgroup=worker, has been here
	}
	if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err != nil {
		return nil, err
	}
	return &hierarchyV2{dir}, nil
}

func (h *hierarchyV2) version() string { return "cgroup v2" }

func (h *hierarchyV2) make(name string, b Bounds) (group, error) {
	resources := cgroup2.Resources{}
	if b.Memory > 0 {
		resources.Memory = &cgroup2.Memory{Max: &b.Memory}
	}
	if b.Pids > 0 {
		resources.Pids = &cgroup2.Pids{Max: b.Pids}
	}
	if b.CPU > 0 {
		period := uint64(CPUPeriod)
		resources.CPU = &cgroup2.CPU{Max: cgroup2.NewCPUMax(&b.CPU, &period)}
	}
	if err := h.enable(resources.EnabledControllers()); err != nil {
		return nil, err
	}
	m, err := cgroup2.NewManager(h.dir, "/"+name, &resources)
	if err != nil {
		return nil, err
	}
	g := groupV2{m, filepath.Join(h.dir, name), nil}
	if b.NoSwap {
		none := int64(0)
		if _, err = os.Stat(filepath.Join(g.dir, "memory.swap.max")); err == nil {
			err = m.Update(&cgroup2.Resources{Memory: &cgroup2.Memory{Swap: &none}})
		}
		if err != nil {
			m.Delete()
			return nil, fmt.Errorf("the kernel does not account swap (swapaccount=1): %w", err)
		}
	}
	return g, nil
}

// enable lets the groups below dir have these controllers. The kernel refuses it (EBUSY) while processes are in dir itself. To the
// library dir is the mount: what is above is not ours to change. Done apart from the rest because of several failures it keeps
// the last one only.
func (h *hierarchyV2) enable(names []string) error {
	if err := h.delegated(names); err != nil {
		return err
	}
	below, err := cgroup2.Load("/"+workerLeaf, cgroup2.WithMountpoint(h.dir))
	if err != nil {
		return err
	}
	err = below.ToggleControllers(names, cgroup2.Enable)
	if errors.Is(err, unix.EBUSY) {
		if err = h.moveToLeaf(); err == nil {
			err = below.ToggleControllers(names, cgroup2.Enable)
		}
	}
	return err
}

// delegated reports which controllers whoever made our place has not let us have.
func (h *hierarchyV2) delegated(wanted []string) error {
	text, err := os.ReadFile(filepath.Join(h.dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, name := range wanted {
		if !slices.Contains(strings.Fields(string(text)), name) {
			return fmt.Errorf("the %s controller is not delegated to %s", name, h.dir)
		}
	}
	return nil
}

// moveToLeaf moves this process and its children out of dir. Others are not ours to move, and with them there dir stays as it is.
func (h *hierarchyV2) moveToLeaf() error {
	leaf, err := cgroup2.NewManager(h.dir, "/"+workerLeaf, &cgroup2.Resources{})
	if err != nil {
		return err
	}
	var strangers []string
	for _, pid := range processes(h.dir) {
		if !ours(pid) {
			strangers = append(strangers, strconv.Itoa(pid))
			continue
		}
		if err := leaf.AddProc(uint64(pid)); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	if len(strangers) > 0 {
		return fmt.Errorf("%s is not the worker's alone: the processes %s are in it (systemd: Delegate=yes in a unit of its own)",
			h.dir, strings.Join(strangers, ", "))
	}
	return nil
}

// ours reports whether pid is this process or descends from it.
func ours(pid int) bool {
	for range 64 {
		if pid == os.Getpid() {
			return true
		}
		fields := procfs.StatFields(pid)
		if pid <= 1 || len(fields) < 2 {
			return false
		}
		pid, _ = strconv.Atoi(fields[1])
	}
	return false
}

func (h *hierarchyV2) find(name string) group {
	m, err := cgroup2.Load("/"+name, cgroup2.WithMountpoint(h.dir))
	return groupV2{m, filepath.Join(h.dir, name), err}
}

func (h *hierarchyV2) list(name string) []string { return subdirectories(filepath.Join(h.dir, name)) }

type groupV2 struct {
	manager *cgroup2.Manager
	dir     string
	err     error // why there is no manager: the name cannot be a cgroup's
}

func (g groupV2) add(pid int) error { return g.manager.AddProc(uint64(pid)) }

func (g groupV2) pids() []int { return processes(g.dir) }

func (g groupV2) oomKills() (int64, error) {
	return count(filepath.Join(g.dir, "memory.events"), "oom_kill")
}

func (g groupV2) remove() error {
	if g.err != nil {
		return g.err
	}
	return g.manager.Delete()
}
