package jail

import (
	"cmp"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// eachKind runs f for a pool of every backend and level that this machine can make.
func eachKind(t *testing.T, f func(t *testing.T, p *Pool)) {
	for _, kind := range []struct {
		name, program string
		Config
	}{
		{"nsjail", "nsjail", Config{Backend: Nsjail, Level: Namespaces}},
		{"bubblewrap", "bwrap", Config{Backend: Bubblewrap, Level: Namespaces}},
		{"process", "nsjail", Config{Backend: Nsjail, Level: Process}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			if _, err := exec.LookPath(kind.program); err != nil {
				t.Skipf("%s is not on PATH", kind.program)
			}
			p, err := Open(t.Context(), kind.Config)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			f(t, p)
		})
	}
}

func TestProve(t *testing.T) {
	eachKind(t, func(t *testing.T, p *Pool) {
		begun := time.Now()
		walls, err := p.Prove(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d walls in %s", len(walls), time.Since(begun))
		promised := 0
		for _, w := range walls {
			if w.Promised() {
				promised++
			}
			t.Logf("%+v", w)
		}
		if promised < 18 {
			t.Errorf("only %d walls are promised", promised)
		}
	})
}

// removals take one wall away each. Python's part is changed by a module that is loaded before the runner's own.
var removals = []struct {
	wall string
	// kinds are where it is taken away; nil is everywhere but in bubblewrap, whose jobs run behind the same Python.
	kinds    []string
	settings func(*settings)
	args     func([]string) []string
	// says is what the error holds in place of the wall's name, where without the wall there is no jail at all.
	says string
}{
	{wall: "system calls", settings: func(s *settings) { s.Seccomp = []string{} }},
	{wall: "one process", settings: func(s *settings) { s.Seccomp = []string{} }},
	{wall: "another user", kinds: fresh, settings: func(s *settings) { s.UID = nil }},
	{wall: "no capabilities", kinds: fresh, settings: without(`if name == "capset": return lambda *a: 0`, "import os; os.setresuid = lambda *a: None")},
	{wall: "number of processes", settings: func(s *settings) { delete(s.Rlimits, "NPROC") }},
	{wall: "descriptors", settings: limit("NOFILE", 4096), args: replace("--rlimit_nofile", "hard")},
	{wall: "size of a file", settings: limit("FSIZE", 1<<40)},
	{wall: "no core files", settings: limit("CORE", 1<<20), args: replace("--rlimit_core", "100")},
	{wall: "memory", settings: python("import resource; resource.RLIMIT_AS = resource.RLIMIT_RSS")},
	{wall: "CPU time", settings: python("import resource; resource.RLIMIT_CPU = resource.RLIMIT_RSS")},
	{wall: "size of the working directory", kinds: []string{"nsjail"}, settings: func(s *settings) {
		s.Tmpfs = strings.Replace(s.Tmpfs, "size=64m", "size=6400m", 1)
	}},
	{wall: "predecessors", kinds: []string{"nsjail"}, settings: without(`if name == "mount": return lambda *a: 0`, "import os; os.chmod('/tmp', 0o777)")},
	{wall: "descriptors of others", settings: python("import os; close = os.closerange; os.closerange = lambda a, b: (close(a, b), a == 5 and os.dup2(0, 77))")},
	{wall: "no new privileges", kinds: []string{"nsjail"}, says: "walls: ", args: func(args []string) []string {
		return drop("--seccomp_string", "--disable_no_new_privs")(args) // which goes without saying where nsjail sets up a filter
	}, settings: without(`if name == "prctl": return lambda option, *rest: 0 if getattr(option, "value", option) == 38 else real(option, *rest)`, "")},
	{wall: "outer filter", kinds: []string{"nsjail", "process"}, args: replace("--seccomp_string", "ALLOW { getpid } DEFAULT ALLOW")},
	{wall: "network", kinds: []string{"nsjail"}, settings: sharing("0x40000000"), args: insert("--disable_clone_newnet")},
	{wall: "network", kinds: []string{"bubblewrap"}, settings: sharing("0x40000000"), args: drop("--unshare-net")},
	{wall: "shared memory", kinds: []string{"nsjail"}, settings: sharing("0x8000000"), args: insert("--disable_clone_newipc")},
	{wall: "shared memory", kinds: []string{"bubblewrap"}, settings: sharing("0x8000000"), args: drop("--unshare-ipc")},
	{wall: "host name", kinds: []string{"bubblewrap"}, args: func(args []string) []string { return drop("--hostname")(drop("--unshare-uts")(args)) }},
	{wall: "no /proc", kinds: []string{"nsjail"}, args: drop("--disable_proc")},
	{wall: "no /proc", kinds: []string{"bubblewrap"}, args: drop("--remount-ro", "--proc", "/proc", "--remount-ro", "/")},
	{wall: "host files", kinds: []string{"nsjail"}, args: insert("--bindmount_ro", "/etc")},
	{wall: "host files", kinds: []string{"bubblewrap"}, args: drop("--remount-ro", "--ro-bind", "/etc", "/etc", "--remount-ro", "/")},
	{wall: "read-only root", kinds: []string{"nsjail"}, args: insert("--rw")},
	{wall: "read-only root", kinds: []string{"bubblewrap"}, args: drop("--remount-ro")},
	{wall: "worker's environment", kinds: []string{"nsjail", "process"}, args: insert("--env", "OTHER=a secret of the worker")},
	{wall: "worker's environment", kinds: []string{"bubblewrap"}, args: drop("--remount-ro", "--setenv", "OTHER", "a secret of the worker", "--remount-ro", "/")},
}

// fresh are the kinds with namespaces.
var fresh = []string{"nsjail", "bubblewrap"}

// TestProveNotices takes away one wall after the other, and expects to be told which.
func TestProveNotices(t *testing.T) {
	t.Setenv("DATABASE_PASSWORD", "a secret of the worker")
	eachKind(t, func(t *testing.T, p *Pool) {
		kind := t.Name()[strings.LastIndex(t.Name(), "/")+1:]
		for _, r := range removals {
			if kinds := r.kinds; kinds == nil && kind == "bubblewrap" || kinds != nil && !slices.Contains(kinds, kind) {
				continue
			}
			t.Run(r.wall, func(t *testing.T) {
				broken := *p.plan
				broken.alter, broken.alterArgs = r.settings, r.args
				weak := &Pool{config: p.config, plan: &broken}
				walls, err := weak.Prove(t.Context())
				if err == nil {
					t.Fatalf("nobody noticed: %+v", walls)
				}
				if says := cmp.Or(r.says, r.wall+" ("); !strings.Contains(err.Error(), says) {
					t.Errorf("the error does not name it: %v", err)
				}
				t.Log(err)
			})
		}
	})
}

func python(source string) func(*settings) {
	return func(s *settings) { s.Modules = append(s.Modules, [2]string{"without", source}) }
}

func limit(name string, value int64) func(*settings) {
	return func(s *settings) { s.Rlimits[name] = value }
}

// without answers the C library's functions in its own way; first is run before.
func without(instead, first string) func(*settings) {
	return python(first + `
import ctypes
class Without(ctypes.PyDLL):
    def __getattribute__(self, name):
        real = super().__getattribute__(name) if name.startswith("_") else self[name]
        ` + instead + `
        return real
ctypes.PyDLL = Without`)
}

// sharing keeps the jobs' own namespaces of one kind from being made, too.
func sharing(flag string) func(*settings) {
	return without(`
        if name == "unshare": return lambda flags: real(flags & ~`+flag+`)
        if name == "setns": return lambda fd, flags: real(fd, flags & ~`+flag+`)`, "")
}

func insert(extra ...string) func([]string) []string {
	return func(args []string) []string { return slices.Insert(slices.Clone(args), 1, extra...) }
}

func replace(name, value string) func([]string) []string {
	return func(args []string) []string {
		args = slices.Clone(args)
		if i := slices.Index(args, name); i > 0 {
			args[i+1] = value
		}
		return args
	}
}

// drop takes out the first run of these arguments, from the first to the next that starts with two dashes, and puts the rest in
// their place.
func drop(first string, rest ...string) func([]string) []string {
	return func(args []string) []string {
		i := slices.Index(args, first)
		if i < 0 {
			return args
		}
		end := i + 1
		for end < len(args) && !strings.HasPrefix(args[end], "--") {
			end++
		}
		return slices.Replace(slices.Clone(args), i, end, rest...)
	}
}
