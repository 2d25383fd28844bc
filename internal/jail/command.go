package jail

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/seccomp"
)

// The identities inside a jail: the fork server is root of its own user namespace, a job is somebody else there.
const (
	serverUID = 0
	jobUID    = 1000
)

// spec is everything that decides a jail's command line.
type spec struct {
	program string // path of nsjail or bubblewrap
	level   Level
	root    root
	// chroot is the ready root tree of level Process, "" for the host's own root.
	chroot string
	// ids are the host's uids and gids behind the jail's: those of the server and of the job.
	ids ids
	// directory is the job's working directory at level Process, as the job sees it.
	directory string
	// script is what Python runs first.
	script string
	// openFiles bounds the server; the job's own limits come later.
	openFiles int
}

// ids are a jail's identities outside.
type ids struct {
	// split is set where the worker may map two: without privilege only its own uid can be mapped, once.
	split       bool
	server, job int
}

// environment is all that Python is given. One BLAS thread: more cost 140 MB of address space, start at import, and a fork server
// must have none. One malloc arena: each further one takes 64 MB of the job's address space. Functions are bound at once: else each child
// searches anew for those that its server has not called yet, 15 page faults.
var environment = []string{
	"PATH=/usr/bin", "LANG=C.UTF-8", "USER=" + jobUser, "LOGNAME=" + jobUser, "TERM=dumb", "HOME=/tmp", "TMPDIR=/tmp", "TZ=UTC", "PYTHONDONTWRITEBYTECODE=1",
	"OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1", "NUMEXPR_NUM_THREADS=1",
	"MALLOC_ARENA_MAX=1", "MPLBACKEND=Agg", "MPLCONFIGDIR=/tmp", "LD_BIND_NOW=1",
}

func (s spec) python() []string {
	return []string{s.root.python, "-I", "-B", "-S", "-c", s.script}
}

// nsjailArgs is the command line of nsjail for s.
func nsjailArgs(s spec) []string {
	args := []string{
		s.program, "-Mo", "--quiet", "--disable_proc", "--hostname", hostName, "--nice_level", "0",
		// nsjail's own defaults are meant for one short job; the server lives on, and its jobs get limits of their own.
		"--time_limit", "0", "--rlimit_as", "max", "--rlimit_cpu", "max", "--rlimit_fsize", "max", "--rlimit_core", "0",
		"--rlimit_stack", "8", "--rlimit_nproc", "max", "--rlimit_nofile", strconv.Itoa(s.openFiles),
		"--pass_fd", strconv.Itoa(controlFD), "--seccomp_string", seccomp.OuterPolicy(),
	}
	for _, e := range s.environment() {
		args = append(args, "--env", e)
	}
	if s.level == Process {
		id := strconv.Itoa(s.ids.job)
		args = append(args, "--user", id, "--group", id, "--cwd", s.directory,
			"--disable_clone_newuser", "--disable_clone_newns", "--disable_clone_newpid", "--disable_clone_newnet",
			"--disable_clone_newipc", "--disable_clone_newuts", "--disable_clone_newcgroup")
		if s.chroot != "" {
			args = append(args, "--chroot", s.chroot)
		}
		return append(append(args, "--"), s.python()...)
	}
	args = append(args, "--keep_caps", "--iface_no_lo", "--cwd", "/tmp", "--tmpfsmount", "/tmp")
	for _, m := range s.ids.maps() {
		id := fmt.Sprintf("%d:%d:1", m.ContainerID, m.HostID)
		args = append(args, "--user", id, "--group", id)
	}
	for _, path := range s.root.binds {
		args = append(args, "--bindmount_ro", path)
	}
	for _, l := range s.root.links {
		args = append(args, "--symlink", l.target+":"+l.path)
	}
	return append(append(args, "--"), s.python()...)
}

// bubblewrapArgs is the command line of bubblewrap for s, which it runs in a user namespace that bubblewrapAttr asks for.
func bubblewrapArgs(s spec) []string {
	args := []string{
		s.program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", hostName,
		"--as-pid-1", "--die-with-parent", "--cap-add", "ALL", "--seccomp", strconv.Itoa(filterFD), "--clearenv",
	}
	if !s.ids.split {
		id := strconv.Itoa(jobUID)
		args = append(args, "--unshare-user", "--uid", id, "--gid", id)
	}
	for _, e := range s.environment() {
		name, value, _ := strings.Cut(e, "=")
		args = append(args, "--setenv", name, value)
	}
	for _, dir := range s.root.parents() {
		args = append(args, "--perms", "0755", "--dir", dir) // bubblewrap's own would be root's alone
	}
	for _, path := range s.root.binds {
		bind := "--ro-bind"
		if strings.HasPrefix(path, "/dev/") {
			bind = "--dev-bind"
		}
		args = append(args, bind, path, path)
	}
	for _, l := range s.root.links {
		args = append(args, "--symlink", l.target, l.path)
	}
	args = append(args, "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/tmp", "--")
	return append(args, s.python()...)
}

// sysProcAttr has the jail end with the thread that starts it, and puts bubblewrap into a user namespace with the jail's two identities,
// which it cannot map by itself.
func (s spec) sysProcAttr(backend Backend) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // a Ctrl-C at the worker's terminal is the worker's to handle
	if backend == Bubblewrap && s.ids.split {
		attr.Cloneflags = unix.CLONE_NEWUSER
		attr.UidMappings, attr.GidMappings = s.ids.maps(), s.ids.maps()
		attr.GidMappingsEnableSetgroups = true
		attr.Credential = &syscall.Credential{Uid: serverUID, Gid: serverUID}
	}
	return attr
}

// maps are the user namespace's: inside to outside.
func (i ids) maps() []syscall.SysProcIDMap {
	if !i.split {
		return []syscall.SysProcIDMap{{ContainerID: jobUID, HostID: i.job, Size: 1}}
	}
	return []syscall.SysProcIDMap{{ContainerID: serverUID, HostID: i.server, Size: 1}, {ContainerID: jobUID, HostID: i.job, Size: 1}}
}

func (s spec) environment() []string {
	if s.level == Namespaces {
		return environment
	}
	own := slices.Clone(environment)
	for i, e := range own {
		if name, _, _ := strings.Cut(e, "="); name == "HOME" || name == "TMPDIR" || name == "MPLCONFIGDIR" {
			own[i] = name + "=" + s.directory
		}
	}
	return own
}

// workerNumber sets this worker's identities apart from those of others on its host: two hardly ever have jails with the same at the same
// time. Not the pid, which is the same in every container; without user namespaces the kernel counts a uid's processes over all of them.
var workerNumber = int(rand.Uint32())

// idSpan is where the outer identities of jails are taken from: far from those of the host's users and of container managers, or, inside a
// container with a user namespace of its own, what that has above the identities of a system's users.
type idSpan struct{ first, count int }

const (
	idsFrom, idsCount = 1_000_000_000, 1_000_000_000
	// idsFromInside leaves 55,534 in a container's usual 65,536.
	idsFromInside = 10_000
	nobodyID      = 65_534
)

var spanOfIDs = sync.OnceValue(func() idSpan {
	if mapped(idsFrom) && mapped(idsFrom+idsCount-1) {
		return idSpan{idsFrom, idsCount}
	}
	return idSpan{idsFromInside, nobodyID - idsFromInside}
})

// newIDs chooses the outer identities of the n-th jail of this worker. They come again when all others have had their turn; where they
// begin is this worker's own.
func newIDs(n int) ids {
	if os.Geteuid() != 0 {
		return ids{server: os.Geteuid(), job: os.Geteuid()}
	}
	span := spanOfIDs()
	first := span.first + (workerNumber+n)%(span.count/2)*2
	return ids{split: true, server: first, job: first + 1}
}

// mapped reports whether this process's user namespace knows the id.
func mapped(id int) bool {
	table, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(table)) {
		var inside, outside, count int
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil && id >= inside && id-inside < count {
			return true
		}
	}
	return false
}
