package jail

import (
	"slices"
	"testing"

	"safepy/internal/jail/procfs"
)

// A server's data lies in one mapping with what it has without a file beside it, since it has moved.
func TestArrange(t *testing.T) {
	eachPlan(t, Config{Preload: []string{"numpy", "pandas"}}, nil, func(t *testing.T, c Config, plan *plan) {
		p := planPool(t, c, plan)
		moved := movedRun(t, idleServer(p).pid)
		plan.faults.settings = python("import ctypes\nclass Without(ctypes.PyDLL):\n    def __getattr__(self, name):\n" +
			"        if name == 'getcontext':\n            raise AttributeError(name)\n        return super().__getattr__(name)\n" +
			"ctypes.PyDLL = Without")
		stays := planPool(t, c, plan)
		if movedRun(t, idleServer(stays).pid) {
			t.Error("what could not be moved has moved")
		}
		run(t, stays, "def main():\n    return 1\n")
		if !moved && idleServer(p).pinned > 0 {
			t.Error("nothing has moved")
		}
	})
}

// movedRun reports whether the process has the first run that was worth moving in one mapping: Python's own data, and what follows.
func movedRun(t *testing.T, pid int) bool {
	t.Helper()
	runs, err := procfs.Scattered(pid)
	if err != nil || len(runs) == 0 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	all, err := procfs.Mappings(pid)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(all, func(m procfs.Mapping) bool {
		return m.Start == runs[0].Address && m.End == runs[0].Address+runs[0].Size
	})
}
