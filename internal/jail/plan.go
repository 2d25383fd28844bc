package jail

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"safepy/internal/jail/cgroup"
	"safepy/internal/jail/launch"
	"safepy/internal/jail/seccomp"
)

// plan is what all jails of a pool have in common, found out once.
type plan struct {
	backend   Backend
	program   string
	level     Level
	filter    *seccomp.Program // a job's own at this level
	root      launch.Root
	libraries libraries
	chroot    string
	sharedUID SharedUID
	limits    Limits
	denied    []string
	// programDenied is denied, of programs.
	programDenied []string
	outerFilter   []byte // bubblewrap's form of the outer one
	script        string
	jails         *atomic.Int64
	cgroupUse     CgroupUse
	cgroups       *cgroup.Cgroups // nil until a first jail has been tried
	enforced      Enforcement     // by cgroups
	// cgroupLimits are those that a jail's cgroup holds: of any job that may come.
	cgroupLimits Limits
	log          *slog.Logger
	// profile has the servers pin what their children write (profile.go): worth its 30 ms where a server has more than one job.
	profile bool
	// saidUnpinned and saidUnprofiled say once that nothing can be pinned, or known of.
	saidUnpinned, saidUnprofiled *sync.Once
	// textSegments are what the servers share of code.
	textSegments *textSegments
	experience   *experience
	// machine is what jails have beside the host's files.
	machine *machine
	faults  faultInjection
}

// newPlan finds the backend and tries, strongest first, which level this host allows.
func newPlan(c Config) (*plan, error) {
	backend, program, err := launch.FindBackend(c.Backend)
	if err != nil {
		return nil, err
	}
	p := &plan{
		backend: backend, program: program, chroot: c.Root, sharedUID: c.SharedUID, limits: c.Limits, denied: c.Denied, programDenied: c.ProgramDenied, jails: new(atomic.Int64),
		saidUnpinned: new(sync.Once), saidUnprofiled: new(sync.Once),
		cgroupUse: c.Cgroup, log: c.Logger, experience: newExperience(),
	}
	if p.root, err = launch.FindRoot(c.Python); err != nil {
		return nil, err
	}
	if p.machine, err = newMachine(c.Limits, rlimits(c.Limits), launch.Environment(), true); err != nil {
		return nil, err
	}
	if p.libraries, err = findLibraries(c.Python); err != nil {
		return nil, err
	}
	boot, err := runnerFiles.ReadFile("runner/boot.py")
	if err != nil {
		return nil, err
	}
	p.script = string(boot)
	if p.outerFilter, err = seccomp.Outer(); err != nil {
		return nil, err
	}
	if err := p.chooseLevel(c); err != nil {
		return nil, err
	}
	if p.level == Process && p.chroot != "" {
		if err := p.layOutRoot(); err != nil {
			p.log.Warn("jobs find no files of a small machine's in the root tree (/etc/passwd, /proc/meminfo and others)", "root", p.chroot,
				"because", err,
				"hint", "let the worker write to it once, or ignore this")
		}
	}
	if c.Cgroup == CgroupRequired {
		if err := complete(p.enforced); err != nil {
			p.cgroups.Close()
			return nil, err
		}
	}
	return p, nil
}

// layOutRoot puts the small machine's files where jobs of level Process are shown them.
func (p *plan) layOutRoot() error {
	m, err := newMachine(p.limits, rlimits(p.limits), launch.Environment(), false)
	if err != nil {
		return err
	}
	return m.layOut(p.chroot)
}

// chooseLevel tries levels by starting a jail with nothing preloaded, and takes the first that works.
func (p *plan) chooseLevel(c Config) error {
	if c.Level == Process {
		if p.backend != Nsjail {
			return fmt.Errorf("JAIL_ISOLATION is process, which takes nsjail; %s has only namespaces", p.backend)
		}
		if err := p.try(Process); err != nil {
			return fmt.Errorf("JAIL_ISOLATION is process, which cannot be had here: %w", err)
		}
		return nil
	}
	err := p.try(Namespaces)
	if err == nil {
		return nil
	}
	hint := "allow user namespaces: in a container run it under deploy/seccomp-worker.json with apparmor=unconfined; on a host" +
		" see the sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns"
	if c.Level == Namespaces {
		return fmt.Errorf("JAIL_ISOLATION is namespaces, which %s cannot make here: %w; %s; or set JAIL_ISOLATION=auto to run with less",
			p.backend, err, hint)
	}
	if p.backend != Nsjail {
		return fmt.Errorf("%s cannot make namespaces here, and has no other way: %w; %s", p.backend, err, hint)
	}
	if err2 := p.try(Process); err2 != nil {
		return fmt.Errorf("no jail can be made here: with namespaces: %w; without: %w; %s", err, err2, hint)
	}
	c.Logger.Warn("this host allows no namespaces: jobs share the network, the process list and the file system's names with this"+
		" container, and are held back by uid, chroot, seccomp and rlimits alone", "isolation", p.level, "because", err, "hint", hint)
	return nil
}

// errSharedUID is why level Process is refused to a worker that is not root.
var errSharedUID = errors.New("this worker is not root, so a job at level process would have its uid, and only its system call filter " +
	"would keep it" +
	" from the worker's files, processes and Redis; start the worker as root, allow namespaces, or set JAIL_SHARED_UID=accept to do without")

// try starts a jail at a level, which is the plan's then.
func (p *plan) try(level Level) error {
	shared := os.Geteuid() != 0
	if level == Process && shared && p.sharedUID != SharedUIDAccept {
		return errSharedUID
	}
	filter, err := seccomp.ForJob(seccomp.Exposure{Files: level == Process, SharedUID: shared})
	if err != nil {
		return err
	}
	p.level, p.filter = level, &filter
	v, err := p.start(wanted{})
	if err != nil {
		return err
	}
	if p.cgroups == nil {
		p.openCgroups(v)
	}
	v.close()
	return nil
}

// wanted is what a jail is started for, and how.
type wanted struct {
	preload []string
	// optional are those of them that it also starts without.
	optional []string
	// dataFrames says that its first jobs are expected to have data frames.
	dataFrames bool
	// lowPriority has it start while others leave room for it.
	lowPriority bool
}

// start starts one more jail.
func (p *plan) start(w wanted) (*server, error) {
	n := int(p.jails.Add(1))
	s := launch.Spec{
		Backend: p.backend, Program: p.program, Level: p.level, Root: p.root, Chroot: p.chroot, IDs: launch.NewIDs(n), Script: p.script,
		OpenFiles: max(p.limits.OpenFiles, 256),
	}
	if p.level == Process {
		return p.startOnDisk(s, w)
	}
	return startServer(p, s, w, nil)
}

// command is what starts a jail: the program to execute and its arguments, the name that it goes by first.
func (p *plan) command(s launch.Spec) (path string, args []string, err error) {
	args = s.Args()
	if p.faults.args != nil {
		args = p.faults.args(args)
	}
	if s.Level != Process || p.faults.noLandlock {
		return args[0], args, nil
	}
	return s.Confined(args)
}

// pendingSignals is how many queued signals a job may have. The kernel charges them to the user that has made the jail's namespace as well,
// and to that one's maker, up to the host's root, who needs some, too.
const pendingSignals = 64

// settings tells the runner its part. CPU time is the single job's and comes with it; memory is the worker's to watch.
func (p *plan) settings(s launch.Spec, w wanted) settings {
	l := p.limits
	set := settings{
		Preload: append([]string{}, w.preload...), Optional: append([]string{}, w.optional...), Rehearse: true, Directory: "/tmp",
		DropBounding: s.Level == Namespaces,
		Profile:      p.profile && s.Level == Namespaces, Once: s.Level == Process,
		Tmpfs:   fmt.Sprintf("size=%dm,nr_inodes=%d,mode=0755,uid=%d,gid=%d", l.DiskMB, l.diskNames(), launch.JobUID, launch.JobUID),
		Rlimits: rlimits(l),
		Seccomp: p.filter, Denied: append([]string{}, p.denied...),
		ProgramDenied: append([]string{}, p.programDenied...), ResultBytes: l.ResultBytes,
		Limits: map[string]int{"threads": l.Threads, "disk_mb": l.DiskMB, "disk_files": l.diskNames(), "open_files": l.OpenFiles},
		Files:  l.Files, FilesBytes: l.FilesBytes, Outputs: l.Outputs, OutputsBytes: l.OutputsBytes,
	}
	set.Machine, set.MemoryMB = p.machine, l.MemoryMB
	switch {
	case s.Level == Process:
		set.Machine = nil // it lies in the root tree
		set.Directory = s.Directory
	case s.IDs.Split:
		uid := launch.JobUID
		set.UID = &uid
	}
	if !s.IDs.Split {
		set.Rlimits["NPROC"] += 3 // the server, the pause process and the next one are of the same uid
	}
	if p.faults.settings != nil {
		p.faults.settings(&set)
	}
	return set
}

// rlimits are a job's, but for memory and CPU time.
func rlimits(l Limits) map[string]int64 {
	return map[string]int64{
		"AS": l.addressSpace(), "NOFILE": int64(l.OpenFiles), "FSIZE": int64(l.DiskMB) << 20, "CORE": 0, "MEMLOCK": 0, "MSGQUEUE": 0,
		"SIGPENDING": pendingSignals,
		// Its threads are all that the job's uid has, in a user namespace of its own.
		"NPROC": int64(l.Threads) + 1,
	}
}
