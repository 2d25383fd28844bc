package jail

import (
	"slices"
	"testing"
)

func TestPieces(t *testing.T) {
	const mb, huge = 1 << 20, hugePage
	at := func(start, end uint64) mapping { return mapping{start: start, end: end, writable: true, plain: true} }
	for _, c := range []struct {
		name     string
		mappings []mapping
		want     []pageRun
	}{
		{"nothing", nil, nil},
		{"code", []mapping{{start: mb, end: 2 * mb}}, nil},
		{"data", []mapping{at(mb, 2*mb)}, []pageRun{{mb, mb}}},
		{"neighbours", []mapping{at(mb, 2*mb), at(2*mb, 3*mb)}, []pageRun{{mb, 2 * mb}}},
		{"neighbours of code", []mapping{at(mb, 2*mb), {start: 2 * mb, end: 3 * mb}, at(3*mb, 4*mb)}, []pageRun{{mb, mb}, {3 * mb, mb}}},
		{"apart", []mapping{at(mb, 2*mb), at(3*mb, 4*mb)}, []pageRun{{mb, mb}, {3 * mb, mb}}},
		{"a huge page", []mapping{at(huge, 2*huge)}, []pageRun{{huge, huge}}},
		{"huge pages between ends", []mapping{at(huge-mb, 3*huge+mb)}, []pageRun{{huge - mb, mb}, {huge, huge}, {2 * huge, huge}, {3 * huge, mb}}},
		{"data behind huge pages", []mapping{at(huge, 2*huge+mb/2), at(2*huge+mb/2, 2*huge+mb)}, []pageRun{{huge, huge}, {2 * huge, mb}}},
		{"a huge page of two mappings", []mapping{at(huge, huge+mb), at(huge+mb, 2*huge)}, []pageRun{{huge, huge}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := pieces(c.mappings); !slices.Equal(got, c.want) {
				t.Errorf("%x, want %x", got, c.want)
			}
		})
	}
}

// A server's data lies in one mapping with what it has without a file beside it, since it has moved.
func TestArrange(t *testing.T) {
	eachPlan(t, Config{Preload: []string{"numpy", "pandas"}}, nil, func(t *testing.T, c Config, plan *plan) {
		p := planPool(t, c, plan)
		moved := movedRun(t, idleServer(p).pid)
		plan.alter = python("import ctypes\nclass Without(ctypes.PyDLL):\n    def __getattr__(self, name):\n" +
			"        if name == 'getcontext':\n            raise AttributeError(name)\n        return super().__getattr__(name)\nctypes.PyDLL = Without")
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
	runs, err := scattered(pid)
	if err != nil || len(runs) == 0 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	all, err := mappingsOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(all, func(m mapping) bool { return m.start == runs[0].Address && m.end == runs[0].Address+runs[0].Size })
}
