package jail

import (
	"testing"

	"safepy/internal/jail/procfs"
)

// ownPages is how many pages of the idle server's are its alone: those that have been copied once, for the server or to be pinned.
func ownPages(t *testing.T, p *Pool) int {
	t.Helper()
	var v *server
	eventually(t, "the jail is idle and has its next child", func() bool {
		p.data.mu.Lock()
		defer p.data.mu.Unlock()
		if len(p.data.idle) == 0 {
			return false
		}
		v = p.data.idle[0].server
		return v.jobPID() != 0 // before the fork all of its pages are its alone
	})
	all, err := procfs.Mappings(v.pid)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := procfs.ExclusivePages(v.pid, all)
	if err != nil {
		t.Fatal(err)
	}
	return len(pages)
}

func TestMix(t *testing.T) {
	for _, c := range []struct {
		name string
		jobs string // F with data frames, n without
		want bool
	}{
		{"none yet", "", false},
		{"the first with", "F", false},
		{"the second", "FF", true},
		{"a few without after many with", "FFFFFFFFFFFFFFFFnnnnnn", true},
		{"many without after many with", "FFFFFFFFFFFFFFFFnnnnnnn", false},
		{"some with after many without", "nnnnnnnnnnnnnnnnFFFF", false},
		{"many with after many without", "nnnnnnnnnnnnnnnnFFFFFFFF", true},
		{"half after many without", "nnnnnnnnnnnnnnnnFnFnFnFnFnFnFnFnFnFn", false},
		{"half after many with", "FFFFFFFFFFFFFFFFFnFnFnFnFnFnFnFnFnFn", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newWorkload()
			for _, job := range c.jobs {
				m.add(job == 'F')
			}
			if m.dataFrames != c.want {
				t.Errorf("frames expected: %t, want %t (share %.2f)", m.dataFrames, c.want, m.share)
			}
		})
	}
}

// A server is told what the jobs to come are like: once they had no data frames for a while, a fork copies nothing ahead for any, which
// the next one with some has to do page by page.
func TestFramesExpected(t *testing.T) {
	const frames = `import pandas as pd
import resource

def main():
    pd.DataFrame({"A": [1, 2, 3]}).sum().to_dict()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
`
	eachPlan(t, Config{Preload: []string{"numpy", "pandas"}}, nil, func(t *testing.T, c Config, plan *plan) {
		p := pinningPool(t, c, plan)
		many := func(script, want string) {
			for range 24 {
				wantAnswer(t, p, script, want)
			}
		}
		const without, with = "import numpy as np\ndef main():\n    return 1\n",
			"import pandas as pd\ndef main():\n    return int(pd.Series([1, 2]).sum())\n"
		many(without, "1")
		before := ownPages(t, p)
		many(with, "3")
		expected, after := fewestFaults(t, p, frames), ownPages(t, p)
		if after < before+200 {
			t.Errorf("%d pages are the server's own before any data frame, and %d when some are expected", before, after)
		}
		many(without, "1")
		unexpected := fewestFaults(t, p, frames)
		t.Logf("%d page faults when expected, %d when not", expected, unexpected)
		if unexpected < 2*expected {
			t.Errorf("%d page faults when data frames are expected, and %d when not", expected, unexpected)
		}
		many(with, "3")
		if again := fewestFaults(t, p, frames); unexpected < 2*again {
			t.Errorf("%d page faults when data frames are expected again, and %d when not", again, unexpected)
		}
	})
}
