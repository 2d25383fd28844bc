package jail

import "testing"

func TestMix(t *testing.T) {
	for _, c := range []struct {
		name string
		jobs string // F with data frames, n without
		want bool
	}{
		{"none yet", "", true},
		{"a few without", "nnnnnn", true},
		{"many without", "nnnnnnn", false},
		{"some with after many without", "nnnnnnnnnnnnnnnnFFFF", false},
		{"many with after many without", "nnnnnnnnnnnnnnnnFFFFFFFF", true},
		{"half after many without", "nnnnnnnnnnnnnnnnFnFnFnFnFnFnFnFnFnFn", false},
		{"half after many with", "FFFFFFFFFFFFFFFFFnFnFnFnFnFnFnFnFnFn", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMix()
			for _, job := range c.jobs {
				m.add(job == 'F')
			}
			if m.frames != c.want {
				t.Errorf("frames expected: %t, want %t (share %.2f)", m.frames, c.want, m.share)
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
		expected := fewestFaults(t, p, frames)
		for range 24 {
			wantAnswer(t, p, "import numpy as np\ndef main():\n    return 1\n", "1")
		}
		unexpected := fewestFaults(t, p, frames)
		t.Logf("%d page faults when expected, %d when not", expected, unexpected)
		if unexpected < 2*expected {
			t.Errorf("%d page faults when data frames are expected, and %d when not", expected, unexpected)
		}
		for range 24 {
			wantAnswer(t, p, "import pandas as pd\ndef main():\n    return int(pd.Series([1, 2]).sum())\n", "3")
		}
		if again := fewestFaults(t, p, frames); unexpected < 2*again {
			t.Errorf("%d page faults when data frames are expected again, and %d when not", again, unexpected)
		}
	})
}
