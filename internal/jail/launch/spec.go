// Package launch says how a jail is started: the command line of nsjail and of bubblewrap, what of the host its read-only root shows, its
// uids outside, its environment, and, where there are no namespaces, Landlock around it. It starts nothing, and knows nothing of jobs.
package launch

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Level is how far a jail is apart from its host.
type Level string

const (
	// Namespaces: user, pid, mount, network, ipc, uts and cgroup namespaces.
	Namespaces Level = "namespaces"
	// Process: none of them, but a process of its own uid behind chroot, rlimits, seccomp and Landlock.
	Process Level = "process"
)

// The descriptors that a jail inherits beside its standard ones: its end of the control socket, and the outer filter that bubblewrap
// installs.
const (
	ControlFD = 3
	FilterFD  = 4
)

// Spec is everything that decides a jail's command line.
type Spec struct {
	Backend Backend
	Program string // the backend's path
	Level   Level
	Root    Root
	// Chroot is the ready root tree of level Process, "" for the host's own root.
	Chroot string
	// IDs are the host's uids and gids behind the jail's: those of the server and of the job.
	IDs IDs
	// Directory is the job's working directory at level Process, as the job sees it.
	Directory string
	// Script is what Python runs first.
	Script string
	// OpenFiles bounds the server; the job's own limits come later.
	OpenFiles int
}

// Args is the command line, the backend's path first.
func (s Spec) Args() []string {
	if s.Backend == Bubblewrap {
		return bubblewrapArgs(s)
	}
	return nsjailArgs(s)
}

func (s Spec) python() []string {
	return []string{s.Root.Python, "-I", "-B", "-S", "-c", s.Script}
}

// SysProcAttr has the jail end with the thread that starts it, and puts bubblewrap into a user namespace with the jail's two identities,
// which it cannot map by itself.
func (s Spec) SysProcAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // a Ctrl-C at the worker's terminal is the worker's to handle
	if s.Backend == Bubblewrap && s.IDs.Split {
		attr.Cloneflags = unix.CLONE_NEWUSER
		attr.UidMappings, attr.GidMappings = s.IDs.maps(), s.IDs.maps()
		attr.GidMappingsEnableSetgroups = true
		attr.Credential = &syscall.Credential{Uid: serverUID, Gid: serverUID}
	}
	return attr
}
