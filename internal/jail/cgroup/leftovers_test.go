package cgroup

import (
	"log/slog"
	"os/exec"
	"slices"
	"testing"
)

// A worker that was killed leaves its cgroups, and at worst a process in one.
func TestLeftoversAreRemoved(t *testing.T) {
	mine := exec.Command("/bin/sleep", "1000")
	if err := mine.Start(); err != nil {
		t.Skip("no process can be started here: ", err)
	}
	defer mine.Wait()
	defer mine.Process.Kill()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	c, own := Open(mine.Process.Pid, Bounds{Memory: 100 << 20, Pids: 10}, log)
	if own == nil {
		t.Skip("no cgroup can be made here: ", c.Enforced().Memory.Missing)
	}
	defer c.Close()
	defer own.Remove()
	h := c.hierarchy
	left := cgroupPrefix + "1-1" // pid 1 is somebody, but did not start at that time
	orphan := exec.Command("/bin/sleep", "1000")
	if err := orphan.Start(); err != nil {
		t.Skip("no process can be started here: ", err)
	}
	g, err := h.make(left+"/7", Bounds{Pids: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.add(orphan.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := h.make(left+"/8", Bounds{Memory: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	removeLeftovers(h, log)
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
	if !slices.Contains(own.group.pids(), mine.Process.Pid) {
		t.Error("the process of this very process's cgroup was taken for one that was left")
	}
}
