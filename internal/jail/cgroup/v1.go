package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// hierarchyV1 has a tree for each controller. The library knows the controllers by the names of their directories.
type hierarchyV1 struct {
	places     map[string]placeV1
	subsystems map[string]cgroup1.Subsystem
}

func newV1(places map[string]placeV1) *hierarchyV1 {
	h := &hierarchyV1{places: places, subsystems: map[string]cgroup1.Subsystem{}}
	for name, p := range places {
		root := filepath.Dir(p.mount)
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			continue // mounted under another name
		}
		switch name {
		case "memory":
			h.subsystems[name] = cgroup1.NewMemory(root)
		case "pids":
			h.subsystems[name] = cgroup1.NewPids(root)
		case "cpu":
			h.subsystems[name] = cgroup1.NewCpu(root)
		}
	}
	return h
}

func (h *hierarchyV1) version() string { return "cgroup v1" }

func (h *hierarchyV1) make(name string, b Bounds) (group, error) {
	var resources specs.LinuxResources
	var used []string
	if b.Memory > 0 {
		used = append(used, "memory")
		resources.Memory = &specs.LinuxMemory{Limit: &b.Memory}
		if b.NoSwap {
			if _, err := os.Stat(filepath.Join(h.dir("memory", ""), "memory.memsw.limit_in_bytes")); err != nil {
				return nil, fmt.Errorf("the kernel does not account swap (swapaccount=1): %w", err)
			}
			resources.Memory.Swap = &b.Memory // of memory and swap together
		}
	}
	if b.Pids > 0 {
		used = append(used, "pids")
		resources.Pids = &specs.LinuxPids{Limit: &b.Pids}
	}
	if b.CPU > 0 {
		used = append(used, "cpu")
		period := uint64(CPUPeriod)
		resources.CPU = &specs.LinuxCPU{Quota: &b.CPU, Period: &period}
	}
	for _, controller := range used {
		if h.subsystems[controller] == nil {
			return nil, fmt.Errorf("the %s controller is not mounted", controller)
		}
	}
	g := groupV1{hierarchy: h, name: name, used: used}
	var err error
	if g.cgroup, err = cgroup1.New(h.path(name), &resources, cgroup1.WithHierarchy(h.only(used))); err != nil {
		for _, controller := range used {
			os.Remove(h.dir(controller, name))
		}
		return nil, err
	}
	return g, nil
}

func (h *hierarchyV1) find(name string) group {
	g := groupV1{hierarchy: h, name: name}
	for _, controller := range controllers {
		if _, err := os.Stat(h.dir(controller, name)); h.subsystems[controller] != nil && err == nil {
			g.used = append(g.used, controller)
		}
	}
	g.cgroup, g.err = cgroup1.Load(h.path(name), cgroup1.WithHierarchy(h.only(g.used)))
	return g
}

func (h *hierarchyV1) list(name string) []string {
	var names []string
	for controller := range h.subsystems {
		names = append(names, subdirectories(h.dir(controller, name))...)
	}
	return names
}

func (h *hierarchyV1) only(used []string) cgroup1.Hierarchy {
	return func() ([]cgroup1.Subsystem, error) {
		var all []cgroup1.Subsystem
		for _, controller := range used {
			all = append(all, h.subsystems[controller])
		}
		return all, nil
	}
}

func (h *hierarchyV1) path(name string) cgroup1.Path {
	return func(controller cgroup1.Name) (string, error) {
		return filepath.Join("/", h.places[string(controller)].path, name), nil
	}
}

func (h *hierarchyV1) dir(controller, name string) string {
	p := h.places[controller]
	return filepath.Join(filepath.Dir(p.mount), controller, p.path, name)
}

type groupV1 struct {
	hierarchy *hierarchyV1
	name      string
	used      []string
	cgroup    cgroup1.Cgroup
	err       error
}

func (g groupV1) add(pid int) error { return g.cgroup.AddProc(uint64(pid)) }

func (g groupV1) pids() []int {
	var all []int
	for _, controller := range g.used {
		all = append(all, processes(g.hierarchy.dir(controller, g.name))...)
	}
	return all
}

func (g groupV1) oomKills() (int64, error) {
	return count(filepath.Join(g.hierarchy.dir("memory", g.name), "memory.oom_control"), "oom_kill")
}

func (g groupV1) remove() error {
	if g.err != nil {
		if errors.Is(g.err, cgroup1.ErrCgroupDeleted) {
			return nil
		}
		return g.err
	}
	return g.cgroup.Delete()
}
