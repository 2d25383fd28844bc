package hostile

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"safepy/test/harness"
)

//go:embed attacks/*.py attack.py
var scripts embed.FS

// attack is one file of attacks.
type attack struct {
	name, script string
	// timeoutMS is asked for with the job; 0 is the worker's own.
	timeoutMS int
	// ends are the ways in which it may end: completed or an error's code.
	ends []string
	// levels are those that promise what the attack tries; empty is all.
	levels []string
}

// TestAttacks runs every attack, one after the other, and looks after each at the host, at the jail and at the next job.
func TestAttacks(t *testing.T) {
	attacks := readAttacks(t)
	eachJail(t, 1, func(t *testing.T, s *service) { s.attack(t, attacks) })
}

// TestAttacksOnNobody runs those that the worker's uid could make a difference to.
func TestAttacksOnNobody(t *testing.T) {
	attacks := slices.DeleteFunc(readAttacks(t), func(a attack) bool {
		return !strings.HasPrefix(a.name, "proc_") && !strings.HasPrefix(a.name, "fs_") && a.name != "mem_kinds"
	})
	harness.Backends(t, func(t *testing.T, jail string) {
		env := append([]string{"WORKER_CONCURRENCY=1", "JAIL=" + jail, "JAIL_ISOLATION=namespaces"}, settings...)
		start(t, namespaces, nobody(t), env...).attack(t, attacks)
	})
}

func (s *service) attack(t *testing.T, attacks []attack) {
	normal := s.normal(t)
	idle := idleProcesses(t)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			if len(a.levels) > 0 && !slices.Contains(a.levels, s.level) {
				t.Skipf("level %s does not promise this", s.level)
			}
			j := s.run(t, a.request(s))
			s.honest(t, normal) // at once, before anything has had time to settle
			a.judge(t, s, j)
			s.bait.untouched(t)
			idle.again(t)
			for _, sign := range []string{"lost under a job", "level=ERROR"} {
				if log := s.worker.Log(); strings.Contains(log[s.seen:], sign) {
					t.Errorf("the worker says %q", sign)
				}
			}
			s.seen = len(s.worker.Log())
		})
	}
}

func (a *attack) request(s *service) request {
	helper, _ := scripts.ReadFile("attack.py")
	r := request{Script: a.script, Args: s.bait.args(), Files: []file{{Path: "attack.py", Content: string(helper)}}}
	if a.timeoutMS > 0 {
		r.Limits = map[string]int{"timeout_ms": a.timeoutMS}
	}
	return r
}

// judge looks at how the attack ended.
func (a *attack) judge(t *testing.T, s *service, j *job) {
	t.Helper()
	end := j.Status
	if j.Error != nil {
		end = j.Error.Code
	}
	t.Logf("%s after %s, %s of CPU time: %.300s", end, j.took, milliseconds(j.Usage.CPUMS), j.whole)
	if !slices.Contains(a.ends, end) {
		t.Errorf("it ended as %s; it may end as %q: %.2000s", end, a.ends, j.whole)
	}
	if j.Attempts != 1 {
		t.Errorf("it was run %d times", j.Attempts)
	}
	if bytes.Contains(j.whole, []byte(s.bait.secret)) {
		t.Error("the host's secret is in the answer")
	}
	if end == "completed" {
		var reached []string
		if err := json.Unmarshal(j.Result, &reached); err != nil {
			t.Errorf("an answer that is not the attack's own: %.300s", j.Result)
		}
		for _, what := range reached {
			t.Errorf("reached: %s", what)
		}
	}
	// By the worker's clock for this run: how long a long answer is on its way is the machine's business.
	if limit := time.Duration(a.timeoutMS) * time.Millisecond; limit > 0 && milliseconds(j.Usage.WallMS) > limit+5*time.Second {
		t.Errorf("it ran for %s, with a limit of %s", milliseconds(j.Usage.WallMS), limit)
	}
	whole, named, size, folders := 0, 0, 0, map[string]bool{}
	for _, f := range j.Files {
		if f.Size < 0 || f.Path == "" || path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == ".." || strings.HasPrefix(f.Path, "../") ||
			len(f.Path) > 512 || strings.Count(f.Path, "/") > 15 || strings.ContainsFunc(f.Path, unicode.IsControl) || (f.Content == nil) != (f.Reason != "") {
			t.Errorf("an output file %q of %d bytes, %s", f.Path, f.Size, f.Reason)
		}
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			folders[dir] = true
		}
		if f.Content != nil {
			whole, size = whole+1, size+int(f.Size)
		} else {
			named++
		}
	}
	if whole > 32 || size > 4<<20 || named > 256 {
		t.Errorf("%d output files of %d bytes, and %d that are named", whole, size, named)
	}
	for _, f := range j.Files {
		if folders[f.Path] {
			t.Errorf("the output file %q is a folder's name, too", f.Path)
		}
	}
	if check := checks[a.name]; check != nil {
		check(t, j)
	}
}

// checks are what only the worker's side can show.
var checks = map[string]func(t *testing.T, j *job){
	"spoof_usage": func(t *testing.T, j *job) {
		if j.Usage.CPUMS < 400 || j.Usage.WallMS < 400 || j.Usage.MemoryPeakBytes < 0 {
			t.Errorf("half a second of work counts as %+v", j.Usage)
		}
	},
	"out_flood": func(t *testing.T, j *job) {
		// Bytes that are no text are shown as three; two streams of a megabyte.
		if len(j.Stdout) == 0 || len(j.Stderr) == 0 || len(j.Stdout)+len(j.Stderr) > 6<<20+1000 {
			t.Errorf("%d and %d bytes of output were kept", len(j.Stdout), len(j.Stderr))
		}
	},
	"huge_error": func(t *testing.T, j *job) {
		if len(j.whole) > 1<<20 {
			t.Errorf("an error of %d bytes", len(j.whole))
		}
	},
	"fs_links_out":   honestFiles,
	"fs_left_killed": honestFiles,
	"spoof_bytes": func(t *testing.T, j *job) {
		if len(j.whole) > 1<<20 || len(j.Error.Message) > 9<<10 || len(j.Error.Type) > 200 || strings.ContainsAny(j.Error.Type, "\n\x1b[") {
			t.Errorf("an error of %d bytes, of type %.300q", len(j.whole), j.Error.Type)
		}
	},
}

// honestFiles: what comes back with its content is what the job itself has written; all else is only named.
func honestFiles(t *testing.T, j *job) {
	for _, f := range j.Files {
		if f.Content != nil && *f.Content != "" && f.Path != "honest.txt" && f.Path != "attack.py" {
			t.Errorf("%s is no file that the job wrote", f.Path)
		}
	}
}

// readAttacks reads what every file says of itself; one that says too little fails.
func readAttacks(t *testing.T) []attack {
	t.Helper()
	files, err := scripts.ReadDir("attacks")
	if err != nil {
		t.Fatal(err)
	}
	var all []attack
	for _, f := range files {
		script, err := scripts.ReadFile("attacks/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		a := attack{name: strings.TrimSuffix(f.Name(), ".py"), script: string(script), ends: []string{"completed"}}
		if !strings.HasPrefix(a.script, "# Tries: ") || !strings.Contains(a.script, "\n# Must hold: ") {
			t.Errorf("%s does not say what it tries and what must hold", f.Name())
		}
		for line := range strings.Lines(a.script) {
			key, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "#")), ": ")
			switch {
			case !strings.HasPrefix(line, "#"):
			case key == "Timeout":
				if a.timeoutMS, err = strconv.Atoi(value); err != nil {
					t.Fatal(err)
				}
			case key == "Ends":
				a.ends = strings.Fields(value)
			case key == "Levels":
				a.levels = strings.Fields(value)
			}
		}
		all = append(all, a)
	}
	return all
}

// normal is the median time of an honest job.
func (s *service) normal(t *testing.T) time.Duration {
	t.Helper()
	var times []time.Duration
	for range 15 {
		times = append(times, s.askHonestly(t))
	}
	slices.Sort(times)
	t.Logf("an honest job takes %s", times[len(times)/2])
	return times[len(times)/2]
}

// honest fails the test when the next job is not what it would have been, or much later. A jail that is started anew takes seconds on a busy
// machine (3.7 were seen, with 0.2 normal), and one that hangs ten times as long.
func (s *service) honest(t *testing.T, normal time.Duration) {
	t.Helper()
	if took := s.askHonestly(t); took > 10*normal+5*time.Second {
		t.Errorf("the next job took %s, normal are %s", took, normal)
	}
}

func (s *service) askHonestly(t *testing.T) time.Duration {
	t.Helper()
	word := rand.Text()
	j := s.run(t, request{
		Script: "import json\nprint('said')\ndef main(word):\n    return {'word': word, 'sum': sum(range(1000)), 'json': json.dumps([1, 'a']), 'seven': 6 + 1}",
		Args:   map[string]any{"word": word},
	})
	want := fmt.Sprintf(`{"word":%q,"sum":499500,"json":"[1, \"a\"]","seven":7}`, word)
	if j.Status != "completed" || string(j.Result) != want || j.Stdout != "said\n" || j.Stderr != "" || j.Attempts != 1 {
		t.Errorf("an honest job ended like this: %.1000s", j.whole)
	}
	return j.took
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
