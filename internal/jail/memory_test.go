package jail

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// eachMemory runs f with pools on every backend and level, where a cgroup bounds the jail and where none does.
func eachMemory(t *testing.T, l Limits, f func(t *testing.T, p *Pool)) {
	l.Timeout = time.Minute
	for _, k := range []struct {
		name string
		Config
	}{
		{"nsjail", Config{Backend: Nsjail, Level: Namespaces}},
		{"bubblewrap", Config{Backend: Bubblewrap, Level: Namespaces}},
		{"process", Config{Backend: Nsjail, Level: Process}},
	} {
		for _, use := range []CgroupUse{CgroupAuto, CgroupOff} {
			t.Run(k.name+"/cgroup "+string(use), func(t *testing.T) {
				c := k.Config
				c.Cgroup, c.Limits = use, l
				p, err := Open(t.Context(), c)
				if err != nil {
					t.Skip("no jail can be made here: ", err)
				}
				t.Cleanup(p.Close)
				f(t, p)
			})
		}
	}
}

// A job has what it has been given of memory, no more and no less.
func TestMemory(t *testing.T) {
	eachMemory(t, Limits{MemoryMB: 40}, func(t *testing.T, p *Pool) {
		for _, part := range []struct {
			name  string
			holds func(t *testing.T, p *Pool)
		}{
			{"hoards end", endsHoards}, {"what is there counts", countsWhatIsThere}, {"stacks of threads", hasRoomForStacks},
			{"MemoryError", refusesWithMemoryError}, {"nearly out of it", saysWhenNearlyOut}, {"the peak", reportsPeak},
		} {
			t.Run(part.name, func(t *testing.T) { part.holds(t, p) })
		}
	})
}

// hoards take memory without end, each in another way. Where it happens is the line that says here.
var hoards = []struct{ name, script string }{
	{"objects", "def main():\n    all = []\n    while True:\n        all.append([0] * 1000)  # here\n"},
	{"one large block", "def main():\n    return len(bytearray(1 << 30))  # here\n"},
	{"C code", filling + "def main():\n    m = mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE)\n    fill(m)  # here\n"},
	{"huge pages", filling + "def main():\n    m = mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE)\n    m.madvise(14)\n    fill(m)  # here\n"},
	{"shared memory", filling + "def main():\n    m = mmap.mmap(-1, 80 << 20)\n    fill(m)\n" +
		"    fill(mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE))  # here\n"},
	{"shared memory that is let go of", filling + `def main():
    all = []
    while True:
        m = mmap.mmap(-1, 8 << 20)
        fill(m)  # here
        m.madvise(mmap.MADV_DONTNEED)
        all.append(m)
`},
}

const filling = `import ctypes, mmap
def fill(m):
    start = ctypes.c_char.from_buffer(m)
    ctypes.memset(ctypes.addressof(start), 1, len(m))  # here
`

// One that takes too much is ended, at once and with its place, however it takes it.
func endsHoards(t *testing.T, p *Pool) {
	for _, h := range hoards {
		o := run(t, p, h.script)
		if o.Failure == nil || o.Failure.Code != MemoryLimit || o.Failure.Message != "Script execution failed: memory limit of 40 MB exceeded" {
			t.Errorf("%s: got %s, %+v", h.name, o.Result, o.Failure)
			continue
		}
		// What a process takes while the worker waits for a processor has no bound here, but its jail's. The figures that are held
		// to on a quiet machine are in ARCHITECTURE.md.
		t.Logf("%s: %d MB, line %d", h.name, o.Usage.MemoryPeakBytes>>20, o.Failure.Line)
		if o.Usage.MemoryPeakBytes < 36<<20 {
			t.Errorf("%s: had %d bytes", h.name, o.Usage.MemoryPeakBytes)
		}
		if f := o.Failure; f.Line == 0 && h.name != "huge pages" || f.Type != "MemoryError" || f.Line > 0 &&
			!strings.HasSuffix(f.Traceback, "\nMemoryError\n") {
			t.Errorf("%s: nobody asked where it was: %+v", h.name, f)
		}
		wantResult(t, p, "def main(): return 1", "1")
	}
}

// What a job maps, reads or has given back is not what it has.
func countsWhatIsThere(t *testing.T, p *Pool) {
	for name, script := range map[string]string{
		"mapped and not touched": "import mmap\ndef main():\n    m = mmap.mmap(-1, 2 << 30, mmap.MAP_PRIVATE)\n    m[1 << 30] = 1\n" +
			"    return m[5] + m[1 << 30]\n",
		"given back":      "def main():\n    for _ in range(20):\n        len(bytearray(25 << 20))\n    return 1\n",
		"up to the limit": "def main():\n    return len(bytearray(34 << 20)) - (34 << 20) + 1\n",
		"files": `
def main():
    for i in range(6):
        open(str(i), "wb").write(bytes(8 << 20))
    return 1
`,
		"stacks of threads": `
import threading
def main():
    data, end = bytearray(30 << 20), threading.Event()
    all = [threading.Thread(target=end.wait) for _ in range(16)]
    for t in all: t.start()
    end.set()
    for t in all: t.join()
    return len(all) // 16
`,
		"asked for and refused": `
def main():
    try:
        bytearray(1 << 45)
    except MemoryError:
        return len(bytearray(30 << 20)) >> 24
`,
	} {
		if o := run(t, p, script); o.Failure != nil || string(o.Result) != "1" {
			t.Errorf("%s: got %s, %+v", name, o.Result, o.Failure)
		}
	}
}

// Threads have stacks of the usual size: what counts of one is what it uses.
func hasRoomForStacks(t *testing.T, p *Pool) {
	wantResult(t, p, `
import json, re, threading

def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)

class Key:
    def __init__(self, n): self.n = n
    def __lt__(self, other): return deep(20) == 20 and self.n < other.n

def work(out):
    nested = []
    for _ in range(900):
        nested = [nested]
    text = json.dumps(nested)
    assert json.loads(text) == nested
    assert re.match("(?:(a)|b)*$", "ab" * 20000)
    assert [k.n for k in sorted(map(Key, range(300, 0, -1)))] == list(range(1, 301))
    out.append(max([deep(900)], key=lambda n: deep(900)))

def main():
    out, all = [], []
    for _ in range(16):
        t = threading.Thread(target=work, args=(out,))
        t.start()
        all.append(t)
    for t in all:
        t.join()
    return out == [900] * 16
`, "true")
}

// What Python asks for beyond all bounds is refused, with its line; the script may go on.
func refusesWithMemoryError(t *testing.T, p *Pool) {
	o := run(t, p, "def main():\n    return bytearray(1 << 45)\n")
	want := Failure{
		Code: MemoryLimit, Message: "Script execution failed: memory limit of 40 MB exceeded", Type: "MemoryError", Line: 2,
		SourceLine: "return bytearray(1 << 45)",
		Traceback: "Traceback (most recent call last):\n  File \"script.py\", line 2, in main\n    return bytearray(1 << 45)\n" +
			"           ^^^^^^^^^^^^^^^^^^\nMemoryError\n",
	}
	if o.Failure == nil || *o.Failure != want {
		t.Errorf("got %+v", o.Failure)
	}
}

// The limit goes under many names: where a script fails with nearly all of it in use, the answer says so.
func saysWhenNearlyOut(t *testing.T, p *Pool) {
	for _, c := range []struct {
		name, script string
		code         Code
		says         string
		exactly      bool
	}{
		{"an error with much in use", "def main():\n    x = bytearray(38 << 20)\n    raise OSError('encoder error -8')\n", Exception,
			"Script execution failed: OSError: encoder error -8 (line 3). Memory was nearly used up: ", false},
		{"an error with little in use", "def main():\n    raise OSError('encoder error -8')\n", Exception,
			"Script execution failed: OSError: encoder error -8 (line 2)", true},
		{"a refusal", "import mmap\ndef main():\n    mmap.mmap(-1, 1 << 45)\n", Exception,
			"Script execution failed: OSError: [Errno 12] Cannot allocate memory (line 3). A request for memory was refused; the script may use " +
				"40 MB", true},
		{"a crash with much in use", "import ctypes\ndef main():\n    x = bytearray(38 << 20)\n    ctypes.string_at(0)\n", MemoryLimit,
			"Script execution failed: memory limit of 40 MB exceeded", true},
		{"a crash with little in use", "import ctypes\ndef main():\n    ctypes.string_at(0)\n", Crashed,
			"Script execution failed: the process was killed by SIGSEGV (line 3)", true},
		{"an abort with much in use", "import posix\ndef main():\n    x = bytearray(38 << 20)\n    posix.abort()\n", MemoryLimit,
			"Script execution failed: memory limit of 40 MB exceeded", true},
	} {
		if p.plan.level == Process {
			// Its end says nothing of its memory there, so the worker has to have looked before.
			c.script = strings.Replace(c.script, "(38 << 20)\n", "(38 << 20)\n    __import__('time').sleep(0.2)\n", 1)
			c.says = strings.Replace(c.says, "(line 3). Memory", "(line 4). Memory", 1)
		}
		o := run(t, p, c.script)
		if f := o.Failure; f == nil || f.Code != c.code || !strings.HasPrefix(f.Message, c.says) || c.exactly && f.Message != c.says {
			t.Errorf("%s: got %s, %+v, want %s", c.name, o.Result, o.Failure, c.says)
		}
	}
}

// The peak that is reported is what the limit counts.
func reportsPeak(t *testing.T, p *Pool) {
	for script, want := range map[string]int64{
		"def main(): return 1": 0,
		"def main():\n    x = bytearray(20 << 20)\n    return 1":                                   20 << 20,
		"def main():\n    x = bytearray(30 << 20)\n    del x\n    return 1":                        30 << 20,
		"import mmap\ndef main():\n    m = mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE)\n    return 1": 0,
	} {
		o := run(t, p, script)
		if got := o.Usage.MemoryPeakBytes; o.Failure != nil || got < want-(1<<20) || got > want+(8<<20) {
			t.Errorf("%q: %d bytes, want %d; %+v", script, got, want, o.Failure)
		}
	}
}

// What importing libraries takes can be allowed on top of a job's own.
func TestImportAllowance(t *testing.T) {
	eachMemory(t, Limits{MemoryMB: 20, importAllowanceMB: 30}, func(t *testing.T, p *Pool) {
		wantResult(t, p, "def main(): return len(bytearray(40 << 20))", strconv.Itoa(40<<20))
		o := run(t, p, "def main(): return len(bytearray(1 << 30))")
		if o.Failure == nil || o.Failure.Code != MemoryLimit || o.Usage.MemoryPeakBytes < 45<<20 {
			t.Errorf("got %+v with %d bytes", o.Failure, o.Usage.MemoryPeakBytes)
		}
		p.work.Wait() // for the jail to be idle again
		p.data.mu.Lock()
		defer p.data.mu.Unlock()
		if v := p.data.idle; len(v) > 0 && v[0].cgroup != nil {
			if own := p.plan.bounds(v[0].pid).Memory; own < (20+30+64)<<20 {
				t.Errorf("its cgroup has %d bytes", own)
			}
		}
	})
}

func TestAddressSpace(t *testing.T) {
	for megabytes, want := range map[int]int64{1: 64 << 30, 100: 64 << 30, 1024: 64 << 30, 4096: 256 << 30, 1 << 20: 64 << 40} {
		if got := (Limits{MemoryMB: megabytes}).addressSpace(); got != want {
			t.Errorf("for %d MB: %d, want %d", megabytes, got, want)
		}
	}
}

// Looks come when a job could have used up what is left, and never close upon one another.
func TestPause(t *testing.T) {
	m := &memory{limit: 100 << 20}
	var pauses []time.Duration
	for _, used := range []int64{0, 50 << 20, 90 << 20, 109 << 20, 1 << 40} {
		m.used = used
		pauses = append(pauses, m.pause())
	}
	if !slices.IsSortedFunc(pauses, func(a, b time.Duration) int { return int(b - a) }) || pauses[0] < 3*time.Millisecond ||
		pauses[4] != leastPause {
		t.Error(fmt.Sprint(pauses))
	}
	if m.took = 10 * time.Millisecond; m.pause() < 80*time.Millisecond {
		t.Errorf("after a look of 10 ms the next comes in %s", m.pause())
	}
	huge := &memory{limit: 1 << 40}
	if huge.pause() < 10*time.Second {
		t.Errorf("a terabyte is looked at in %s", huge.pause())
	}
}

func TestRefusesEarly(t *testing.T) {
	for policy, want := range map[string]bool{"0\n": false, "1\n": false, "2\n": true, "": false} {
		if refusesEarly(policy) != want {
			t.Errorf("%q: %v", policy, !want)
		}
	}
}
