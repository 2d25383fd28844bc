package jail

import (
	"log/slog"
	"time"

	"safepy/internal/jail/launch"
)

// Level is how far a jail is apart from its host.
type Level = launch.Level

const (
	// Namespaces: user, pid, mount, network, ipc, uts and cgroup namespaces, fresh for every job.
	Namespaces = launch.Namespaces
	// Process: the host allows no namespaces; a process of its own uid behind chroot, rlimits and seccomp, used once.
	Process = launch.Process
)

// CgroupUse says what becomes of a pool where cgroups cannot bound its jails.
type CgroupUse string

const (
	// CgroupAuto takes what the host delegates, and says what it does not.
	CgroupAuto CgroupUse = "auto"
	// CgroupRequired refuses to start unless cgroups bound memory, swap, processes and processor time.
	CgroupRequired CgroupUse = "required"
	// CgroupOff makes none.
	CgroupOff CgroupUse = "off"
)

// SharedUID says whether level Process may be had where no uid of its own separates a job from its worker, which is not root.
type SharedUID string

const (
	// SharedUIDRefuse does not start there.
	SharedUIDRefuse SharedUID = "refuse"
	// SharedUIDAccept leaves a job's system call filter and Landlock as all that there is between it and what the worker's user owns.
	SharedUIDAccept SharedUID = "accept"
)

// Backend is the program that builds the jail.
type Backend = launch.Backend

const (
	Nsjail     = launch.Nsjail
	Bubblewrap = launch.Bubblewrap
)

// Config is what a Pool is made from. Every field has a default, given in its comment.
type Config struct {
	// Backend: empty takes nsjail where it is on PATH, else bubblewrap.
	Backend Backend
	// Level: Namespaces refuses to start with less; empty takes the strongest that the host allows; Process takes no namespaces even
	// where there are some.
	Level Level
	// SharedUID: SharedUIDRefuse.
	SharedUID SharedUID
	// Cgroup: CgroupAuto.
	Cgroup CgroupUse
	// Python is the interpreter's path: /usr/bin/python3.
	Python string
	// Preload are the modules imported before any job comes. AutoPreload stands for DefaultPreload, python3-NAME for the module that
	// Debian's package of that name has: of these, the ones that are not installed are left out, where any other stops the start.
	Preload []string
	// Slots is how many jobs run at once: 1.
	Slots int
	// Spare is how many jails of each kind there are beyond the slots: 0. A job that follows right behind another finds one, while what that
	// one leaves is taken apart and the next process sandboxed, which takes longer than a small job. It has no meaning where each jail
	// serves one job: there the next stands beside it anyhow.
	Spare int
	// MaxJobs and MaxAge retire a jail: 1000, 30 minutes. MaxJobs 1 gives every job a jail of its own.
	MaxJobs int
	MaxAge  time.Duration
	// Root is a directory with Python and its libraries to chroot into at level Process; empty means none.
	Root   string
	Limits Limits
	// For is the one job that a pool will run, where there is no other: nil. Only the jail that it needs is started then.
	For *Job
	// Denied are the names that scripts may not import or call, ProgramDenied those that programs may not.
	Denied, ProgramDenied []string
	Logger                *slog.Logger
}

// Limits bound one job. Zero means the default, given in each comment.
type Limits struct {
	// Timeout is wall-clock time: 10 s. CPU time of all threads together may be a second more.
	Timeout time.Duration
	// MemoryMB is what a job's process may have in memory beyond what Python and its preloaded libraries take: 100 MB.
	MemoryMB int
	// importAllowanceMB comes on top, for what importing installed libraries takes: 0.
	importAllowanceMB int
	// DiskMB is the size of the working directory: 64 MB. It has room for 64 files per MB.
	DiskMB int
	// Threads beside the main one: 16.
	Threads int
	// OutputBytes are kept of stdout and of stderr: 1 MiB each. A script that writes FloodFactor times as much is ended.
	OutputBytes int
	// ResultBytes of JSON may be returned: 8 MiB.
	ResultBytes int
	// Files is how many files are handed back, at most MaxFiles, and FilesBytes how large they are together: 32, 4 MiB.
	Files, FilesBytes int
	// Outputs is how many MIME bundles of what a script displays are kept, and OutputsBytes how long they are together as JSON: 32, 8 MiB.
	Outputs, OutputsBytes int
	// OpenFiles is RLIMIT_NOFILE: 256.
	OpenFiles int
}

// filesPerMB is how many names a working directory has room for, at both levels.
const filesPerMB = 64

func (l Limits) diskNames() int { return l.DiskMB * filesPerMB }

// FloodFactor times OutputBytes on one stream end a job: reading on would cost the host more than the script is worth.
const FloodFactor = 64

// MaxResultDepth bounds the nesting of a result.
const MaxResultDepth = 1000

func (c Config) withDefaults() Config {
	setDefault(&c.Python, "/usr/bin/python3")
	setDefault(&c.Cgroup, CgroupAuto)
	setDefault(&c.SharedUID, SharedUIDRefuse)
	setDefault(&c.Slots, 1)
	setDefault(&c.MaxJobs, 1000)
	setDefault(&c.MaxAge, 30*time.Minute)
	setDefault(&c.Limits.Timeout, 10*time.Second)
	setDefault(&c.Limits.MemoryMB, 100)
	setDefault(&c.Limits.DiskMB, 64)
	setDefault(&c.Limits.Threads, 16)
	setDefault(&c.Limits.OutputBytes, 1<<20)
	setDefault(&c.Limits.ResultBytes, 8<<20)
	setDefault(&c.Limits.Files, 32)
	setDefault(&c.Limits.FilesBytes, 4<<20)
	setDefault(&c.Limits.Outputs, 32)
	setDefault(&c.Limits.OutputsBytes, 8<<20)
	setDefault(&c.Limits.OpenFiles, 256)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
