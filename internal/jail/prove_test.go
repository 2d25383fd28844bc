package jail

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	elastic "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"

	"safepy/internal/jail/cgroup"
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

// removal takes one wall away. Python's part is changed by a module that is loaded before the runner's own.
type removal struct {
	wall string
	// kinds are where it is taken away; nil is everywhere but in bubblewrap, whose jobs run behind the same Python.
	kinds    []string
	settings func(*settings)
	args     func([]string) []string
	plan     func(*plan)
	// says is what the error holds in place of the wall's name, where without the wall there is no jail at all.
	says string
	// root says that only root can.
	root bool
}

var removals = []removal{
	{wall: "system calls", settings: func(s *settings) { s.Seccomp = nil }},
	{wall: "one process", settings: func(s *settings) {
		s.Seccomp = nil
		delete(s.Rlimits, "NPROC") // which another's processes may have used up, where jobs have the worker's uid
	}},
	{wall: "other processes, named", kinds: everywhere, settings: letting("sched_getaffinity")},
	{wall: "other processes, named", kinds: once, settings: letting("kill"), plan: func(p *plan) { p.faults.noLandlock = true }, root: true,
		args: asRoot},
	{wall: "other processes, named", kinds: once, settings: letting("clock_gettime")},
	{wall: "metadata of files", kinds: []string{"bubblewrap"},
		settings: without(`if name == "mount": return lambda *a: 0 if a[3] & 32 else real(*a)`, "")},
	{wall: "metadata of files", kinds: once, settings: letting("utimensat")},
	{wall: "locks of files", kinds: everywhere, settings: letting("flock")},
	{wall: "locks of files", kinds: everywhere, settings: letting("fcntl")},
	{wall: "news of files", kinds: everywhere, settings: letting("inotify_init1")},
	{wall: "news of files", kinds: everywhere, settings: letting("fcntl")},
	{wall: "what others have read", kinds: everywhere, settings: letting("preadv2")},
	{wall: "what others have read", kinds: everywhere, settings: letting("mincore")},
	{wall: "what a user is charged for", kinds: everywhere, settings: limit("SIGPENDING", 4096)},
	{wall: "what a user is charged for", kinds: everywhere, settings: letting("timer_create")},
	{wall: "another user", kinds: fresh, root: true, settings: func(s *settings) { s.UID = nil }},
	{wall: "ids of its own", kinds: []string{"nsjail"}, args: insert("--disable_clone_newuser"), root: true},
	{wall: "no capabilities", kinds: fresh, settings: without(`if name == "capset": return lambda *a: 0`,
		"import os; os.setresuid = lambda *a: None")},
	{wall: "number of processes", settings: func(s *settings) { delete(s.Rlimits, "NPROC") }},
	{wall: "descriptors", settings: limit("NOFILE", 4096), args: replace("--rlimit_nofile", "hard")},
	{wall: "size of a file", kinds: []string{"nsjail"}, settings: limit("FSIZE", 1<<40)},
	{wall: "size of a file", kinds: once, settings: limit("FSIZE", 1<<40), says: "output limit: more than"}, // the wall behind it
	{wall: "no core files", settings: limit("CORE", 1<<20), args: replace("--rlimit_core", "100")},
	{wall: "memory", kinds: everywhere, plan: func(p *plan) { p.faults.noMemoryLimit = true }},
	{wall: "address space", settings: func(s *settings) { delete(s.Rlimits, "AS") }},
	{wall: "CPU time", settings: python("import resource; resource.RLIMIT_CPU = resource.RLIMIT_RSS")},
	{wall: "size of the working directory", kinds: []string{"nsjail"}, settings: func(s *settings) {
		s.Tmpfs = strings.Replace(s.Tmpfs, "size=64m", "size=6400m", 1)
	}},
	{wall: "predecessors", kinds: []string{"nsjail"}, settings: without(`if name == "mount": return lambda *a: 0`,
		"import os; os.chmod('/tmp', 0o777)")},
	{wall: "descriptors of others", settings: python("import os; close = os.closerange; os.closerange = lambda a, b: (close(a, b), a == 5 " +
		"and os.dup2(0, 77))")},
	{wall: "no new privileges", kinds: []string{"nsjail"}, args: func(args []string) []string {
		return drop("--seccomp_string", "--disable_no_new_privs")(args) // which goes without saying where nsjail sets up a filter
	}, settings: keepingPrivileges},
	{wall: "outer filter", kinds: []string{"nsjail", "process"}, args: replace("--seccomp_string", "ALLOW { getpid } DEFAULT ALLOW")},
	{wall: "outer filter", kinds: []string{"bubblewrap"}, args: drop("--seccomp")},
	{wall: "network", kinds: []string{"nsjail"}, settings: sharing("0x40000000"), args: insert("--disable_clone_newnet")},
	{wall: "network", kinds: []string{"bubblewrap"}, settings: sharing("0x40000000"), args: drop("--unshare-net")},
	{wall: "shared memory", kinds: []string{"nsjail"}, settings: sharing("0x8000000"), args: insert("--disable_clone_newipc")},
	{wall: "shared memory", kinds: []string{"bubblewrap"}, settings: sharing("0x8000000"), args: drop("--unshare-ipc")},
	{wall: "host name", kinds: []string{"bubblewrap"},
		args: func(args []string) []string { return drop("--hostname")(drop("--unshare-uts")(args)) }},
	{wall: "the kernel's /proc", kinds: []string{"nsjail"}, args: drop("--disable_proc")},
	{wall: "the kernel's /proc", kinds: []string{"bubblewrap"}, args: drop("--remount-ro", "--proc", "/proc", "--remount-ro", "/")},
	{wall: "users of the host", kinds: []string{"nsjail"}, args: insert("--bindmount_ro", "/etc/passwd")},
	{wall: "users of the host", kinds: []string{"bubblewrap"},
		args: drop("--remount-ro", "--ro-bind", "/etc/passwd", "/etc/passwd", "--remount-ro", "/")},
	{wall: "users of the host", kinds: once, plan: func(p *plan) { p.faults.noLandlock = true }},
	{wall: "host files", kinds: []string{"nsjail"}, args: insert("--bindmount_ro", "/etc")},
	{wall: "host files", kinds: []string{"bubblewrap"}, args: drop("--remount-ro", "--ro-bind", "/etc", "/etc", "--remount-ro", "/")},
	{wall: "read-only root", kinds: []string{"nsjail"}, args: insert("--rw")},
	{wall: "read-only root", kinds: []string{"bubblewrap"}, args: drop("--remount-ro")},
	{wall: "size of the working directory", kinds: once, plan: func(p *plan) { p.faults.noQuota = true }},
	{wall: "host files", kinds: once, plan: func(p *plan) { p.faults.noLandlock = true }},
	{wall: "the kernel's /proc", kinds: once, plan: func(p *plan) { p.faults.noLandlock = true }},
	{wall: "predecessors", kinds: once, plan: func(p *plan) { p.faults.noLandlock = true }, settings: func(s *settings) {
		s.Directory = shared
	}},
	{wall: "another user", kinds: once, root: true, args: asRoot},
	{wall: "no capabilities", kinds: once, root: true, args: asRoot,
		settings: without(`if name == "capset": return lambda *a: 0`, "")},
	{wall: "no new privileges", kinds: once, args: func(args []string) []string {
		return drop("--seccomp_string", "--disable_no_new_privs")(args)
	}, plan: func(p *plan) { p.faults.noLandlock = true }, // Landlock asks for it
		settings: keepingPrivileges},
	{wall: "other processes, signalled", kinds: once, root: true, args: asRoot, plan: func(p *plan) { p.faults.noLandlock = true }},
	{wall: "other processes, signalled", kinds: fresh, settings: func(s *settings) {
		outside(s)
		if s.UID != nil { // else it has the server's already
			s.UID = nil
			s.Tmpfs = strings.NewReplacer("uid=1000", "uid=0", "gid=1000", "gid=0").Replace(s.Tmpfs)
		}
	}},
	{wall: "other processes, seen", kinds: fresh, settings: outside},
	{wall: "nothing outlives its job", kinds: fresh, settings: outside},
	{wall: "number of threads", kinds: everywhere, settings: func(s *settings) { delete(s.Rlimits, "NPROC") },
		plan: bounding(func(b *cgroup.Bounds) { b.Pids = 0 })},
	{wall: "time", kinds: []string{"nsjail"}, says: "a killed job did not end",
		settings: python("import signal; signal.pidfd_send_signal = lambda *a: None")},
	{wall: "time", kinds: once, says: "a job's output did not end with it", settings: python(`
import os
chdir = os.chdir
def behind(path):
    # What the worker knows as the job is another process.
    job = os.fork()
    if job:
        os.closerange(0, 1 << 10)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]))
    chdir(path)
os.chdir = behind`)},
	{wall: "jail's memory", kinds: everywhere, plan: bounding(func(b *cgroup.Bounds) { b.Memory, b.NoSwap = 0, false })},
	{wall: "jail's swap", kinds: everywhere, plan: bounding(func(b *cgroup.Bounds) { b.NoSwap = false })},
	{wall: "jail's processes", kinds: everywhere, plan: bounding(func(b *cgroup.Bounds) { b.Pids = 0 })},
	{wall: "jail's processor time", kinds: everywhere, plan: bounding(func(b *cgroup.Bounds) { b.CPU = 0 })},
	{wall: "jail's memory", kinds: everywhere, plan: func(p *plan) { p.faults.noCgroup = true }},
	{wall: "worker's environment", kinds: []string{"nsjail", "process"}, args: insert("--env", "OTHER=a secret of the worker")},
	{wall: "worker's environment", kinds: []string{"bubblewrap"},
		args: drop("--remount-ro", "--setenv", "OTHER", "a secret of the worker", "--remount-ro", "/")},
}

// fresh are the kinds with namespaces, once is the one without.
var (
	fresh      = []string{"nsjail", "bubblewrap"}
	once       = []string{"process"}
	everywhere = []string{"nsjail", "bubblewrap", "process"}
)

// shared is a directory that every job of a test can write to; it is the test's to make and remove.
var shared string

// asRoot makes a job at level Process a process of root's, which can enter its directory while it has its capabilities.
func asRoot(args []string) []string {
	return insert("--keep_caps")(replace("--group", "0")(replace("--user", "0")(args)))
}

// keepingPrivileges does without PR_SET_NO_NEW_PRIVS.
var keepingPrivileges = without(`
        if name == "prctl": return lambda option, *rest: 0 if getattr(option, "value", option) == 38 else real(option, *rest)`, "")

// outside leaves jobs out of the pid namespaces that are made for them; what ends the namespace then has to end the job, too.
var outside = without(`
        if name == "setns": return lambda fd, flags: 0 if flags == 0x20000000 else real(fd, flags)
        if name == "fork": return lambda: born(real())`, `
import os, signal
children, fork, send = [], os.fork, signal.pidfd_send_signal
def born(pid):
    children.append(pid)
    return pid
def end(fd, number):
    send(fd, number)
    if number == signal.SIGKILL:
        os.kill(children[-1], number)
os.fork, signal.pidfd_send_signal = lambda: born(fork()), end`)

// bounding changes what is asked of the cgroups.
func bounding(change func(*cgroup.Bounds)) func(*plan) {
	return func(p *plan) { p.faults.bounds = change }
}

// partsByWall are the parts of the proof that try each wall: what tries the others need not run where one is taken away.
func partsByWall(t *testing.T, p *Pool) map[string][]proofPart {
	by := map[string][]proofPart{}
	for _, part := range proofParts {
		found, err := p.tryWalls(t.Context(), part)
		if err != nil {
			t.Fatal(err)
		}
		for wall := range found {
			by[wall] = append(by[wall], part)
		}
	}
	return by
}

// TestProveNotices takes away one wall after the other, and expects to be told which.
func TestProveNotices(t *testing.T) {
	t.Setenv("DATABASE_PASSWORD", "a secret of the worker")
	shared = t.TempDir()
	must(t, os.Chmod(shared, 0o777))
	must(t, os.Chmod(filepath.Dir(shared), 0o755))
	eachKind(t, func(t *testing.T, p *Pool) {
		promised, parts := promises(p.plan), partsByWall(t, p)
		kind := t.Name()[strings.LastIndex(t.Name(), "/")+1:]
		for _, r := range removals {
			if kinds := r.kinds; kinds == nil && kind == "bubblewrap" || kinds != nil && !slices.Contains(kinds, kind) {
				continue
			}
			t.Run(r.wall, func(t *testing.T) {
				if !promised[r.wall] {
					t.Skip("nothing promises it here")
				}
				if r.root && os.Geteuid() != 0 {
					t.Skip("not root")
				}
				broken := *p.plan
				broken.faults.settings, broken.faults.args = r.settings, r.args
				if r.plan != nil {
					r.plan(&broken)
				}
				weak := &Pool{config: p.config, plan: &broken}
				found, err := weak.tryWalls(t.Context(), parts[r.wall]...)
				if err == nil {
					_, err = weak.judge(found)
				}
				if err == nil {
					t.Fatalf("nobody noticed: %v", found)
				}
				if says := cmp.Or(r.says, r.wall+" ("); !strings.Contains(err.Error(), says) {
					t.Errorf("the error does not name it: %v", err)
				}
				t.Log(err)
			})
		}
	})
}

// TestEveryPromiseIsTakenAway keeps a wall from being promised that nobody would miss.
func TestEveryPromiseIsTakenAway(t *testing.T) {
	there := Control{By: "cgroup"}
	for level, kinds := range map[Level][]string{Namespaces: fresh, Process: once} {
		all := &plan{backend: Nsjail, level: level, enforced: Enforcement{Memory: there, Swap: there, Pids: there, CPU: there}}
		for wall := range promises(all) {
			if !slices.ContainsFunc(removals, func(r removal) bool {
				return r.wall == wall && (r.kinds == nil || slices.ContainsFunc(kinds, func(k string) bool { return slices.Contains(r.kinds, k) }))
			}) {
				t.Errorf("level %s promises %q, and no test takes it away", level, wall)
			}
		}
	}
}

func promises(p *plan) map[string]bool {
	all := map[string]bool{}
	for _, w := range wallsOf(p) {
		if w.Promised() {
			all[w.Name] = true
		}
	}
	return all
}

func python(source string) func(*settings) {
	return func(s *settings) { s.Modules = append(s.Modules, [2]string{"without", source}) }
}

// letting has the job's own filter let a call through, whatever its arguments.
func letting(name string) func(*settings) {
	return func(s *settings) {
		if s.Seccomp == nil {
			return // the attacks beneath it
		}
		p := *s.Seccomp
		code, err := hex.DecodeString(p.Code)
		if err != nil {
			panic(err)
		}
		before, code := len(code), answering(code, name, bpf.RetConstant{Val: uint32(elastic.ActionAllow)})
		p.Code = hex.EncodeToString(code)
		p.PIDAt, p.ClockAt = moved(p.PIDAt, len(code)-before), moved(p.ClockAt, len(code)-before)
		s.Seccomp = &p
	}
}

// answering puts an answer to one call in front of a filter.
func answering(filter []byte, name string, answer bpf.Instruction) []byte {
	native, err := arch.GetInfo("")
	if err != nil {
		panic(err)
	}
	const callNumber = 0 // where struct seccomp_data has it
	first, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: callNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(native.SyscallNames[name]), SkipTrue: 1},
		answer,
	})
	if err != nil {
		panic(err)
	}
	var program bytes.Buffer
	binary.Write(&program, binary.NativeEndian, first)
	return append(program.Bytes(), filter...)
}

func moved(offsets []int, by int) []int {
	all := slices.Clone(offsets)
	for i := range all {
		all[i] += by
	}
	return all
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
