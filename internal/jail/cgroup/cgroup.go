package jail

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Enforcement says which of a job's limits a cgroup holds it to, and of the others why not. Before each of them stands an rlimit of
// the job's own process, which is all that there is where no cgroup can be made.
type Enforcement struct {
	Memory Control `json:"memory"`
	Swap   Control `json:"swap"`
	Pids   Control `json:"pids"`
	CPU    Control `json:"cpu"`
}

// Control is one kind of limit.
type Control struct {
	// By is "cgroup v1" or "cgroup v2", empty when nothing enforces it.
	By string `json:"by,omitempty"`
	// Missing says why nothing does.
	Missing string `json:"missing,omitempty"`
}

// Enforced is what the pool's jails are held to by cgroups.
func (p *Pool) Enforced() Enforcement { return p.plan.cgroups.enforced }

// bounds are the limits of one cgroup; zero sets none of that kind.
type bounds struct {
	memory int64 // bytes
	noSwap bool  // beside memory only
	pids   int64
	cpu    int64 // microseconds in each cpuPeriod
}

// cpuPeriod is the kernel's default, in microseconds.
const cpuPeriod = 100_000

// hierarchy makes cgroups below this process's own.
type hierarchy interface {
	version() string
	// make makes a cgroup with these bounds, or an error and nothing else. The name is a path below the process's own cgroup.
	make(name string, b bounds) (group, error)
	// find is the cgroup of that name, whatever bounds it.
	find(name string) group
	// list has the names of the directories below name, in whatever part of the hierarchy.
	list(name string) []string
}

// group is one cgroup. With version 1 it is a directory for each controller.
type group interface {
	// add moves a process in. What it has stays charged where it was; what it and its children take from now on counts here.
	add(pid int) error
	// pids are the processes inside: 0 for one that this process cannot see.
	pids() []int
	// oomKills is how many processes have been killed in here for want of memory.
	oomKills() (int64, error)
	// remove is for a group without processes.
	remove() error
}

// cgroups makes one cgroup for each jail of a pool.
type cgroups struct {
	hierarchy hierarchy // nil where there is none to be had
	limits    Limits
	enforced  Enforcement
	log       *slog.Logger
}

// cgroupTree keeps the directory that this process's groups share from going away while one is made in it.
var cgroupTree sync.Mutex

// openCgroups finds out what a cgroup can bound here by putting a running jail into one.
func openCgroups(use CgroupUse, l Limits, log *slog.Logger, v *server) *cgroups {
	if use == CgroupOff {
		none := Control{Missing: "JAIL_CGROUP is off"}
		return &cgroups{limits: l, log: log, enforced: Enforcement{none, none, none, none}}
	}
	p, err := placeOf("self")
	var h hierarchy
	if err == nil {
		h, err = p.open()
	}
	c := &cgroups{limits: l, log: log}
	if err == nil {
		err = c.try(h, v)
	}
	if err == nil {
		removeLeftovers(h, log)
	}
	if err != nil {
		none := Control{Missing: "no cgroup can be written: " + err.Error()}
		c.enforced = Enforcement{none, none, none, none}
	}
	c.report()
	return c
}

// open prefers version 1 where that has the memory controller, which then is in no other.
func (p place) open() (hierarchy, error) {
	if p.v1["memory"].mount != "" || p.v2 == "" {
		return newV1(p.v1), nil
	}
	return newV2(p.v2)
}

// try asks for each limit alone, and then for all that can be had together, with a process in it.
func (c *cgroups) try(h hierarchy, v *server) error {
	want := c.bounds(v.pid)
	var refused error
	granted := false
	for _, a := range []struct {
		control *Control
		alone   bounds
	}{
		{&c.enforced.Memory, bounds{memory: want.memory}},
		{&c.enforced.Swap, bounds{memory: want.memory, noSwap: true}},
		{&c.enforced.Pids, bounds{pids: want.pids}},
		{&c.enforced.CPU, bounds{cpu: want.cpu}},
	} {
		g, err := makeGroup(h, a.alone)
		if err != nil {
			*a.control = Control{Missing: err.Error()}
			if refused == nil {
				refused = err
			}
			continue
		}
		if err := g.remove(); err != nil {
			return err
		}
		*a.control = Control{By: h.version()}
		granted = true
	}
	if !granted {
		dropParent(h)
		return refused
	}
	c.hierarchy = h
	var err error
	if v.cgroup, err = c.put(v.pid); err != nil {
		c.hierarchy = nil
		dropParent(h)
	}
	return err
}

func makeGroup(h hierarchy, b bounds) (group, error) {
	cgroupTree.Lock()
	defer cgroupTree.Unlock()
	return h.make(newGroupName(), b)
}

// report says what is not enforced, once: a limit must not be off and nobody know.
func (c *cgroups) report() {
	names, reasons := c.missing()
	if len(names) == 0 {
		return
	}
	var because []any
	for i, name := range names {
		because = append(because, name, reasons[i])
	}
	if len(slices.Compact(reasons)) == 1 {
		because = []any{"missing", strings.Join(names, ", "), "because", reasons[0]}
	}
	c.log.Warn("cgroups do not enforce all of a job's limits; beside them there are its rlimits", because...)
}

// complete is nil where a cgroup bounds all that one can.
func (c *cgroups) complete() error {
	names, reasons := c.missing()
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("JAIL_CGROUP is required, but no cgroup bounds %s here: %s; give the worker a cgroup that it may write: on a host"+
		" start it as root or in a systemd unit of its own with Delegate=yes, in a container mount /sys/fs/cgroup writable; or set"+
		" JAIL_CGROUP=auto to run with rlimits alone", strings.Join(names, ", "), strings.Join(slices.Compact(reasons), "; "))
}

// missing names the limits that no cgroup holds, and why.
func (c *cgroups) missing() (names, reasons []string) {
	for _, e := range []struct {
		name string
		Control
	}{{"memory", c.enforced.Memory}, {"swap", c.enforced.Swap}, {"pids", c.enforced.Pids}, {"cpu", c.enforced.CPU}} {
		if e.By == "" {
			names, reasons = append(names, e.name), append(reasons, e.Missing)
		}
	}
	return names, reasons
}

// put gives the jail whose server is pid a cgroup of its own, before it forks its first child. It takes half a millisecond, and some
// tens of them at times with version 1, where the kernel waits for all processors to take note; nothing of it is on a job's way.
func (c *cgroups) put(pid int) (*jailCgroup, error) {
	if c == nil || c.hierarchy == nil {
		return nil, nil
	}
	g, err := makeGroup(c.hierarchy, c.granted(c.bounds(pid)))
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	if err := g.add(pid); err != nil {
		g.remove()
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	return &jailCgroup{group: g}, nil
}

// granted are the bounds that could be had at the start.
func (c *cgroups) granted(b bounds) bounds {
	if c.enforced.Memory.By == "" {
		b.memory = 0
	}
	if c.enforced.Swap.By == "" {
		b.noSwap = false
	}
	if c.enforced.Pids.By == "" {
		b.pids = 0
	}
	if c.enforced.CPU.By == "" {
		b.cpu = 0
	}
	return b
}

// close removes the directory of the pool's cgroups once its jails, and theirs with them, are gone.
func (c *cgroups) close() {
	if c != nil && c.hierarchy != nil {
		dropParent(c.hierarchy)
	}
}
