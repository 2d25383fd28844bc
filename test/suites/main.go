// Command suites runs test suites that others have written for Python and its libraries, in jails and outside of them, and says which tests
// end otherwise inside. What it names is to be mended, or in docs/jail.md with its reason.
//
//	go run ./test/suites -kind cpython                                            Debian: libpython3.11-testsuite
//	go run ./test/suites -kind pytest -timeout 15m numpy.lib pandas.tests.frame    Debian: python3-pytest, python3-hypothesis
//
// It takes an hour for all of CPython's; name parts to have it shorter.
package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"safepy/internal/jail"
)

//go:embed suite.py
var suite string

// memoryMB is what a part may use. Some tests look for how much there is, and take gigabytes of it.
const memoryMB = 2000

// nobody is who runs them outside: some tests skip themselves for root, and no job is root.
const nobody = 65534

func main() {
	kind := flag.String("kind", "cpython", "cpython or pytest")
	backend := flag.String("jail", "", "nsjail or bubblewrap")
	level := flag.String("isolation", "namespaces", "namespaces or process")
	root := flag.String("chroot", "", "the root tree of level process")
	python := flag.String("python", "/usr/bin/python3", "")
	timeout := flag.Duration("timeout", 2*time.Minute, "for each part")
	slots := flag.Int("slots", 1, "parts at a time")
	all := flag.Bool("all", false, "name those too that fail for a reason that docs/jail.md gives")
	flag.Parse()
	parts := flag.Args()
	if len(parts) == 0 {
		parts = modules(*python)
	}
	pool, err := jail.Open(context.Background(), jail.Config{
		Backend: jail.Backend(*backend), Level: jail.Level(*level), Root: *root, Python: *python, Slots: *slots, MaxJobs: 1,
		Limits: jail.Limits{Timeout: *timeout, MemoryMB: memoryMB, DiskMB: 512, Threads: 64, OutputBytes: 32 << 20, OpenFiles: 1024}, Logger: slog.Default(),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "suites:", err)
		os.Exit(1)
	}
	defer pool.Close()
	r := runner{pool: pool, kind: *kind, python: *python, timeout: *timeout, all: *all, reasons: map[string]int{}}
	var running sync.WaitGroup
	turns := make(chan struct{}, *slots)
	for _, part := range parts {
		turns <- struct{}{}
		running.Go(func() {
			r.compare(part)
			<-turns
		})
	}
	running.Wait()
	fmt.Printf("%d tests in %d parts, %d end otherwise inside, %d for none of these reasons:\n", r.tests, len(parts), r.differ, r.reasons[""])
	for _, why := range reasons {
		fmt.Printf("%7d %s\n", r.reasons[why.name], why.name)
	}
}

type runner struct {
	pool         *jail.Pool
	kind, python string
	timeout      time.Duration
	all          bool

	mu            sync.Mutex
	tests, differ int
	reasons       map[string]int
}

// broke is the outcome of a part that could not be run, under the part's own name.
const broke = "broke"

// ended is how a test did.
type ended struct{ outcome, why string }

func (r *runner) compare(part string) {
	outside, said := r.outside(part)
	inside, failure := r.inside(part)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tests += len(outside)
	how := func(name string) ended {
		if i, ran := inside[name]; ran {
			return i
		}
		return inside[fileOf(name)] // which could not be loaded, perhaps
	}
	var differing []string
	for name, o := range outside {
		if how(name).outcome != o.outcome && o.outcome != "failed" {
			differing = append(differing, name)
		}
	}
	for name, i := range inside {
		if _, both := outside[name]; !both && i.outcome != "passed" {
			differing = append(differing, name)
		}
	}
	slices.Sort(differing)
	r.differ += len(differing)
	if o := outside[part]; o.outcome == broke {
		said += "; outside: " + o.why
	}
	if outside == nil || strings.Contains(said, "killed") {
		differing = nil // it had no time outside either
	}
	fmt.Printf("%s: %d outside, %d inside, %d differ%s%s\n", part, len(outside), len(inside), len(differing), said, failure)
	for _, name := range differing {
		i := how(name)
		reason := reasonOf(i.why)
		r.reasons[reason]++
		if i.outcome == "" && failure != "" {
			continue // which the line above tells
		}
		if reason != "" && !r.all {
			continue
		}
		fmt.Printf("    %s: %s, not %s\n", name, cmp.Or(i.outcome, "never ran"), cmp.Or(outside[name].outcome, "there"))
		if i.why != "" {
			fmt.Printf("        %s\n", strings.ReplaceAll(strings.TrimSpace(i.why), "\n", "\n        "))
		}
	}
}

// reasons are those that docs/jail.md gives, by what a failed test says.
var reasons = []struct {
	name string
	says []string
}{
	{"one process", []string{"_fork_exec", "fork_exec(", "os.fork", "_posixsubprocess", "forkpty", "posix_spawn", "os.system", "fork failed", "has been denied", "subprocess"}},
	{"no network", []string{"socket.socket", "_socket.socket", "create_server", "create_connection", "getaddrinfo"}},
	{"read-only root", []string{"Read-only file system", "__pycache__"}},
	{"no special files", []string{"mkfifo", "mknod"}},
	{"no other program", []string{"command to run", "command to test", "could not compile", "CompileError"}},
	{"no terminal", []string{"openpty", "pty devices", "/dev/tty", "isatty", "termios"}},
	{"no procfs", []string{"/proc/"}},
	{"limits", []string{"can't start new thread", "Cannot allocate memory", "No space left", "Too many open files", "File too large"}},
}

func reasonOf(why string) string {
	for _, reason := range reasons {
		if slices.ContainsFunc(reason.says, func(words string) bool { return strings.Contains(why, words) }) {
			return reason.name
		}
	}
	return ""
}

func (r *runner) inside(part string) (map[string]ended, string) {
	args, _ := json.Marshal([]string{r.kind, part})
	o, err := r.pool.Run(context.Background(), jail.Job{Script: suite, Args: args})
	switch {
	case err != nil:
		return nil, "; in the jail: " + err.Error()
	case o.Failure != nil:
		return parse(o.Stdout.Text), "; in the jail: " + o.Failure.Message
	}
	return parse(o.Stdout.Text), ""
}

func (r *runner) outside(part string) (map[string]ended, string) {
	dir, err := os.MkdirTemp("", "suite-")
	if err != nil {
		return nil, "; outside: " + err.Error()
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "suite.py")
	if err := os.WriteFile(script, []byte(suite), 0o644); err != nil {
		return nil, "; outside: " + err.Error()
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	c := exec.CommandContext(ctx, r.python, "-B", script, r.kind, part)
	c.Dir, c.Env = dir, []string{
		"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", "HOME=" + dir, "TMPDIR=" + dir, "MPLBACKEND=Agg", "OPENBLAS_NUM_THREADS=1",
		fmt.Sprintf("NPY_AVAILABLE_MEM=%d MB", memoryMB),
	}
	c.WaitDelay = time.Second
	if os.Geteuid() == 0 {
		os.Chown(dir, nobody, nobody)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var out bytes.Buffer
	c.Stdout = &out
	said := ""
	if err := c.Run(); err != nil {
		said = "; outside: " + err.Error()
	}
	return parse(out.String()), said
}

// fileOf is the file that a test of pytest's stands in.
func fileOf(name string) string {
	file, _, _ := strings.Cut(name, "::")
	return file
}

// parse reads what suite.py writes; a test may have written between.
func parse(out string) map[string]ended {
	found := map[string]ended{}
	for line := range strings.Lines(out) {
		var words []string
		if json.Unmarshal([]byte(line), &words) == nil && len(words) == 3 {
			if before := found[words[0]]; before.outcome != "failed" {
				found[words[0]] = ended{words[1], words[2]}
			}
		}
	}
	return found
}

// modules are the parts of CPython's suite.
func modules(python string) []string {
	out, err := exec.Command(python, "-c", "import test, pkgutil; print(*sorted(m.name for m in pkgutil.iter_modules(test.__path__) if m.name.startswith('test_')))").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, "suites: CPython's own tests are not installed (Debian: libpython3.11-testsuite):", err)
		os.Exit(1)
	}
	return strings.Fields(string(out))
}
