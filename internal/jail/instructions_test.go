package jail

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestInstructions(t *testing.T) {
	for name, c := range map[string]struct{ cpuinfo, key, words string }{
		"x86_64": {"processor\t: 0\nmodel name\t: Somebody's\nvmx flags\t: vnmi ept\nflags\t\t: fpu vme sse2 pni sse4_1 avx avx512_vnni pti hypervisor ibrs\n" +
			"bugs\t\t: meltdown\nflags\t\t: another\n", "flags", "fpu sse2 pni sse4_1 avx avx512_vnni"},
		"aarch64":   {"processor\t: 0\nFeatures\t: fp asimd sve\nCPU part\t: 0xd40\n", "Features", "fp asimd sve"},
		"no /proc":  {"", "flags", ""},
		"cut short": {"flags", "flags", ""},
	} {
		if key, words := instructions(c.cpuinfo); key != c.key || words != c.words {
			t.Errorf("%s: %q %q", name, key, words)
		}
	}
}

// Libraries that choose their code by /proc/cpuinfo choose it as those do that ask the processor.
func TestInstructionsInJail(t *testing.T) {
	host, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Skip(err)
	}
	key, words := instructions(string(host))
	eachPlan(t, Config{}, nil, func(t *testing.T, c Config, plan *plan) {
		p := planPool(t, c, plan)
		o := run(t, p, "def main():\n    return [line.partition(':')[2].split() for line in open('/proc/cpuinfo') if line.startswith('"+key+"')]\n")
		var lines [][]string
		if err := json.Unmarshal(o.Result, &lines); err != nil || len(lines) != 1 || !slices.Equal(lines[0], strings.Fields(words)) {
			t.Errorf("%s, not %q", o.Result, words)
		}
	})
}
