// Package cgroup gives a process, and all that it starts from then on, a cgroup of its own, with either version of them: it takes a pid and
// returns a Group. It makes them below the cgroup of this process, finds out what they can bound there, and removes those of processes
// of its kind that are no more.
package cgroup

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Enforcement says what a cgroup can bound here, and of the rest why not.
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

// none is where nothing is enforced, for one reason.
func none(why string) Enforcement {
	c := Control{Missing: why}
	return Enforcement{c, c, c, c}
}

// Missing names the limits that no cgroup holds, and why.
func (e Enforcement) Missing() (names, reasons []string) {
	for _, limit := range []struct {
		name string
		Control
	}{{"memory", e.Memory}, {"swap", e.Swap}, {"pids", e.Pids}, {"cpu", e.CPU}} {
		if limit.By == "" {
			names, reasons = append(names, limit.name), append(reasons, limit.Control.Missing)
		}
	}
	return names, reasons
}

// report says what is not enforced, once: a limit must not be off and nobody know.
func (e Enforcement) report(log *slog.Logger) {
	names, reasons := e.Missing()
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
	log.Warn("cgroups do not enforce all of a job's limits; beside them there are its rlimits", because...)
}

// Bounds are the limits of one cgroup; zero sets none of that kind.
type Bounds struct {
	Memory int64 // bytes
	NoSwap bool  // beside Memory only
	Pids   int64
	CPU    int64 // microseconds in each CPUPeriod
}

// CPUPeriod is the kernel's default, in microseconds.
const CPUPeriod = 100_000

// hierarchy makes cgroups below this process's own.
type hierarchy interface {
	version() string
	// make makes a cgroup with these bounds, or an error and nothing else. The name is a path below the process's own cgroup.
	make(name string, b Bounds) (group, error)
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

// Cgroups makes one cgroup for each process that it is given. A nil one makes none.
type Cgroups struct {
	hierarchy hierarchy // nil where there is none to be had
	enforced  Enforcement
}

// tree keeps the directory that this process's groups share from going away while one is made in it.
var tree sync.Mutex

// Off makes no cgroup, and says why not.
func Off(why string) *Cgroups { return &Cgroups{enforced: none(why)} }

// Open finds out what a cgroup can bound here by putting a running process into one, whose group it returns, nil where there is none.
func Open(pid int, wanted Bounds, log *slog.Logger) (*Cgroups, *Group) {
	p, err := PlaceOf("self")
	var h hierarchy
	if err == nil {
		h, err = p.open()
	}
	c := &Cgroups{}
	var g *Group
	if err == nil {
		g, err = c.try(h, pid, wanted)
	}
	if err == nil {
		removeLeftovers(h, log)
	}
	if err != nil {
		c.enforced = none("no cgroup can be written: " + err.Error())
	}
	c.enforced.report(log)
	return c, g
}

// open prefers version 1 where that has the memory controller, which then is in no other.
func (p Place) open() (hierarchy, error) {
	if p.v1["memory"].mount != "" || p.v2 == "" {
		return newV1(p.v1), nil
	}
	return newV2(p.v2)
}

// try asks for each limit alone, and then for all that can be had together, with a process in it.
func (c *Cgroups) try(h hierarchy, pid int, wanted Bounds) (*Group, error) {
	var refused error
	granted := false
	for _, a := range []struct {
		control *Control
		alone   Bounds
	}{
		{&c.enforced.Memory, Bounds{Memory: wanted.Memory}},
		{&c.enforced.Swap, Bounds{Memory: wanted.Memory, NoSwap: true}},
		{&c.enforced.Pids, Bounds{Pids: wanted.Pids}},
		{&c.enforced.CPU, Bounds{CPU: wanted.CPU}},
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
			return nil, err
		}
		*a.control = Control{By: h.version()}
		granted = true
	}
	if !granted {
		dropParent(h)
		return nil, refused
	}
	c.hierarchy = h
	g, err := c.Put(pid, wanted)
	if err != nil {
		c.hierarchy = nil
		dropParent(h)
	}
	return g, err
}

func makeGroup(h hierarchy, b Bounds) (group, error) {
	tree.Lock()
	defer tree.Unlock()
	return h.make(newGroupName(), b)
}

// Enforced is what groups are held to.
func (c *Cgroups) Enforced() Enforcement { return c.enforced }

// Available reports whether there are any groups at all.
func (c *Cgroups) Available() bool { return c != nil && c.hierarchy != nil }

// Put gives a process a cgroup of its own, with those of the bounds that can be had; the group is nil where there is none. It takes half a
// millisecond, and some tens of them at times with version 1, where the kernel waits for all processors to take note.
func (c *Cgroups) Put(pid int, b Bounds) (*Group, error) {
	if !c.Available() {
		return nil, nil
	}
	g, err := makeGroup(c.hierarchy, c.granted(b))
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	if err := g.add(pid); err != nil {
		g.remove()
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	return &Group{group: g}, nil
}

// granted are the bounds that could be had at the start.
func (c *Cgroups) granted(b Bounds) Bounds {
	if c.enforced.Memory.By == "" {
		b.Memory = 0
	}
	if c.enforced.Swap.By == "" {
		b.NoSwap = false
	}
	if c.enforced.Pids.By == "" {
		b.Pids = 0
	}
	if c.enforced.CPU.By == "" {
		b.CPU = 0
	}
	return b
}

// Close removes the directory of the groups once they are gone.
func (c *Cgroups) Close() {
	if c.Available() {
		dropParent(c.hierarchy)
	}
}

// Group is the cgroup of one process and all that it has started since. A nil one bounds nothing.
type Group struct {
	group group
	kills int64 // as many as there were at the latest MarkKills
}

// MarkKills begins to count anew what RanOut looks at.
func (g *Group) MarkKills() {
	if g != nil {
		g.kills, _ = g.group.oomKills()
	}
}

// RanOut reports whether a process in the group has been killed for want of memory since the latest MarkKills.
func (g *Group) RanOut() bool {
	if g == nil {
		return false
	}
	kills, err := g.group.oomKills()
	return err == nil && kills > g.kills
}

// Remove ends what is still in the group and removes it.
func (g *Group) Remove() error {
	if g == nil {
		return nil
	}
	return removeGroup(g.group)
}
