package jail

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFlavours: each script gets the jail that has what it reaches, and its own memory is all that counts.
func TestFlavours(t *testing.T) {
	eachPool(t, Config{Slots: 2, Preload: []string{AutoPreload}, Limits: Limits{Timeout: patience}}, func(t *testing.T, p *Pool) {
		if !p.data.has([]string{"numpy", "pandas"}) || p.data.has([]string{"matplotlib"}) || p.plain.has([]string{"numpy"}) {
			t.Errorf("loaded: %v, plain: %v", p.data.loaded, p.plain.loaded)
		}
		for _, c := range []struct {
			needs  string
			script string
			files  []File
			pool   *warmPool
		}{
			{"", "import json\ndef main():\n    return 1\n", nil, p.plain},
			{"numpy", "import numpy\ndef main():\n    return int(numpy.ones(1).sum())\n", nil, p.data},
			{"pandas", "from helper import one\ndef main():\n    return one()\n",
				[]File{{Path: "helper.py", Content: "import pandas as pd\ndef one():\n    return int(pd.Series([1]).sum())\n"}}, p.data},
			{"matplotlib", "import matplotlib.pyplot as plt\ndef main():\n    plt.plot([1])\n    plt.savefig('x.png')\n" +
				"    return len(plt.get_fignums())\n", nil, p.full},
			{"scipy", "from scipy import stats\ndef main():\n    return round(stats.norm.cdf(9))\n", nil, p.full},
			{"openpyxl", "import openpyxl\ndef main():\n    openpyxl.Workbook().save('x')\n    return 1\n", nil, p.full},
			{"lxml", "import lxml.etree\ndef main():\n    return int(lxml.etree.fromstring('<a>1</a>').text)\n", nil, p.full},
			{"PIL", "from PIL import Image\ndef main():\n    return Image.new('L', (1, 1), 1).getpixel((0, 0))\n", nil, p.full},
			{"tabulate", "from tabulate import tabulate\ndef main():\n    return int(tabulate([[1]], tablefmt='plain'))\n", nil, p.full},
		} {
			if c.needs != "" && !p.plan.libraries.installed[c.needs] {
				t.Logf("%s is not installed", c.needs)
				continue
			}
			j := Job{Script: c.script, Files: c.files, MemoryMB: 32}
			if got := p.warmPoolFor(&j); got != c.pool || j.allowanceMB != 0 {
				t.Errorf("%s: a jail with %v, %d MB allowed for", c.needs, got.preload.names, j.allowanceMB)
			}
			o, err := p.Run(t.Context(), j)
			if err != nil || o.Failure != nil || string(o.Result) != "1" {
				t.Errorf("%s: %v, %+v, %s", c.needs, err, o.Failure, o.Result)
			}
			if peak := o.Usage.MemoryPeakBytes; peak > 16<<20 {
				t.Errorf("%s: %d bytes counted", c.needs, peak)
			}
		}
	})
}

// TestImportsAreAllowedFor: what no jail has loaded is imported by the script, beyond its own memory.
func TestImportsAreAllowedFor(t *testing.T) {
	eachPool(t, Config{Limits: Limits{Timeout: patience}}, func(t *testing.T, p *Pool) {
		for _, library := range []string{"numpy", "pandas", "scipy.stats", "matplotlib.pyplot", "sklearn.linear_model"} {
			if name, _, _ := strings.Cut(library, "."); !p.plan.libraries.installed[name] {
				t.Logf("%s is not installed", name)
				continue
			}
			o, err := p.Run(t.Context(), Job{Script: "import " + library + "\ndef main():\n    return len(bytearray(16 << 20))\n", MemoryMB: 32})
			if err != nil || o.Failure != nil {
				t.Errorf("%s: %v, %+v", library, err, o.Failure)
			}
		}
		j := Job{Script: "import json\n"}
		if p.warmPoolFor(&j); j.allowanceMB != 0 {
			t.Errorf("%d MB are allowed for the standard library", j.allowanceMB)
		}
	})
}

// TestOnDemand: a crowd of jobs for the large jail has more of them started, up to one for each slot, and they go when it has gone.
func TestOnDemand(t *testing.T) {
	const extra = "tabulate"
	if exec.Command("/usr/bin/python3", "-I", "-c", "import "+extra+", numpy").Run() != nil {
		t.Skip(extra + " or numpy is not installed")
	}
	eachPool(t, Config{Slots: 2, Preload: []string{"numpy", extra}}, func(t *testing.T, p *Pool) {
		r := p.full
		counts := func() []int {
			r.mu.Lock()
			defer r.mu.Unlock()
			return []int{r.count, len(r.idle)}
		}
		if !r.onDemand() || !slices.Equal(counts(), []int{1, 1}) {
			t.Fatalf("%v at the start", counts())
		}
		var crowd sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		running := make(chan struct{}, 2)
		for range 2 {
			crowd.Go(func() {
				v, err := r.take(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				running <- struct{}{}
				<-ctx.Done()
				r.put(v)
			})
		}
		<-running
		<-running // the second has a jail that was not there
		if !slices.Equal(counts(), []int{2, 0}) {
			t.Errorf("%v with two jobs", counts())
		}
		cancel()
		crowd.Wait()
		r.retireIdle(time.Now()) // both were wanted since the last look
		if !slices.Equal(counts(), []int{2, 2}) {
			t.Errorf("%v after the first look", counts())
		}
		r.retireIdle(time.Now())
		if !slices.Equal(counts(), []int{1, 1}) {
			t.Errorf("%v after the second", counts())
		}
		r.retireIdle(time.Now().Add(unused))
		if !slices.Equal(counts(), []int{0, 0}) {
			t.Errorf("%v after an hour", counts())
		}
		wantResult(t, p, "import tabulate, sys\ndef main():\n    return 'numpy' in sys.modules\n", "true")
		if c := counts(); c[0] != 1 {
			t.Errorf("%v after one more job", c)
		}
	})
}

// TestPreloadMissing: what is only wished for may be missing, what is named may not.
func TestPreloadMissing(t *testing.T) {
	eachPool(t, Config{Preload: []string{"python3-no-such-library"}}, func(t *testing.T, p *Pool) {
		wantResult(t, p, "def main():\n    return 1\n", "1")
		if p.full != p.plain {
			t.Errorf("%v are loaded", p.full.preload.names)
		}
	})
	_, err := Open(t.Context(), Config{Preload: []string{"numpy", "no_such_library"}})
	if err == nil || !strings.Contains(err.Error(), "JAIL_PRELOAD: import of no_such_library failed") {
		t.Errorf("%v", err)
	}
}

// TestPoolForOneJob: a pool that is opened for one job has the jail which the job would have got in a pool for all.
func TestPoolForOneJob(t *testing.T) {
	installed := libraries{installed: setOf([]string{"numpy", "pandas", "scipy", "unknown"})}
	newPool := func(j *Job) *Pool {
		p := &Pool{config: Config{Slots: 1, Preload: []string{"numpy", "pandas", "scipy"}, For: j}, plan: &plan{libraries: installed}}
		p.makeFlavours()
		for _, r := range p.warmPools() {
			r.loaded = setOf(r.preload.names)
		}
		return p
	}
	for script, names := range map[string]string{
		"import json":               "",
		"import unknown":            "numpy pandas scipy",
		"import hashlib":            "numpy pandas",
		"import numpy":              "numpy pandas",
		"import pandas, scipy":      "numpy pandas scipy",
		"df.interpolate() # pandas": "numpy pandas",
	} {
		j := Job{Script: script}
		forAll, forOne := newPool(nil), newPool(&j)
		for _, r := range []*warmPool{forAll.warmPoolFor(&j), forOne.warmPoolFor(&j)} {
			if got := strings.Join(r.preload.names, " "); got != names {
				t.Errorf("%s: a jail with %q, want %q", script, got, names)
			}
		}
		if n := len(forOne.warmPools()); n != 1 {
			t.Errorf("%s: %d warm pools for one job", script, n)
		}
	}
}

// TestLoadedAtLevelProcess: a job there is the process that has loaded the libraries, and still has no descriptor of theirs, such as a font's,
// and no more of the host's files.
func TestLoadedAtLevelProcess(t *testing.T) {
	if _, err := exec.LookPath("nsjail"); err != nil {
		t.Skip("nsjail is not on PATH, and no other backend does without namespaces")
	}
	limits := Limits{Timeout: patience, Files: 8, FilesBytes: 1 << 20}
	p, err := Open(t.Context(), Config{Backend: Nsjail, Level: Process, Preload: []string{AutoPreload}, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var wished []string
	for _, name := range DefaultPreload {
		if p.plan.libraries.installed[name] {
			wished = append(wished, name)
		}
	}
	if !p.full.has(wished) {
		t.Errorf("of %v there are %v", wished, p.full.loaded)
	}
	if !slices.Contains(wished, "matplotlib") {
		t.Skip("matplotlib is not installed")
	}
	o, err := p.Run(t.Context(), Job{Script: "import matplotlib.pyplot as plt\ndef main():\n    plt.plot([1, 2], label='abc')\n" +
		"    plt.title('xyz')\n    plt.legend()\n    plt.savefig('x.png')\n"})
	if err != nil || o.Failure != nil || o.Stderr.Text != "" || len(o.Files) != 1 {
		t.Errorf("%v, %+v, %.500s, %d files", err, o.Failure, o.Stderr.Text, len(o.Files))
	}
}
