package jail

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/cgroup"
	"safepy/internal/jail/diskquota"
	"safepy/internal/jail/launch"
	"safepy/internal/jail/procfs"
	"safepy/internal/jail/seccomp"
)

// settings is what boot.py and the server are told.
type settings struct {
	// Modules are run before the runner's own: name and source.
	Modules      [][2]string      `json:"-"`
	Preload      []string         `json:"preload"`
	Optional     []string         `json:"optional"` // those of Preload that it starts without
	Rehearse     bool             `json:"rehearse"`
	Profile      bool             `json:"study"`
	Once         bool             `json:"once"`
	Tmpfs        string           `json:"tmpfs"`
	Directory    string           `json:"directory"`
	UID          *int             `json:"uid"`
	DropBounding bool             `json:"drop_bounding"`
	Rlimits      map[string]int64 `json:"rlimits"`
	Seccomp      *seccomp.Program `json:"seccomp"` // nil for none: only where Prove tries what lies behind it
	// Machine is what the runner puts into the jail's root; nil where it has none of its own.
	Machine       *machine `json:"machine"`
	MemoryMB      int      `json:"memory_mb"`
	Denied        []string `json:"denied"`
	ProgramDenied []string `json:"program_denied"`
	ResultBytes   int      `json:"result_bytes"`
	// Limits are the numbers that errors name.
	Limits     map[string]int `json:"limits"`
	Files      int            `json:"files"`
	FilesBytes int            `json:"files_bytes"`
	// Outputs and OutputsBytes bound what a job displays.
	Outputs      int `json:"outputs"`
	OutputsBytes int `json:"outputs_bytes"`
}

// server is one jail and the fork server in it. Its methods are for one goroutine at a time; one job at a time runs in it.
type server struct {
	cmd     *exec.Cmd
	control *net.UnixConn
	// message and ancillary are what the latest message from there is read into.
	message, ancillary []byte
	events             chan event    // what the server says after it is ready; closed when it is gone
	exited             chan struct{} // closed when the jail's process has been waited for
	stderr             *tail
	level              Level
	limits             Limits
	versions           map[string]string
	// loaded has the first names of what it has loaded beside the standard library; unloaded says why optional libraries do not load.
	loaded   map[string]bool
	unloaded map[string]string
	// base is what a child had before its job, firstRSS the server's own resident size after its first.
	base     procfs.Sizes
	firstRSS int64
	pid      int // of Python
	// pinned is how many pages a fork of the server copies by itself, shared how many text segments it has.
	pinned, shared int
	// tunable says that the server can be told whether jobs with data frames are expected, dataFrames that it has been told so.
	tunable, dataFrames bool
	// forked is the pid of the latest child, 0 while unknown; knows gets a value when that changes, and is closed when it never will.
	forked atomic.Int64
	knows  chan bool
	// forkedAt is when it was forked, from started on; namespaces how long the latest took to make.
	forkedAt   atomic.Int64
	namespaces time.Duration
	started    time.Time
	served     int
	// next is the child that is sandboxed and waits for a job.
	next *child
	// restorePriority undoes a start at low priority.
	restorePriority func() error
	cleanup         func()
	cgroup          *cgroup.Group
	// counted says that no process of the jail has ended otherwise than it should since the cgroup's kills were counted.
	counted bool
	quota   *diskquota.Quota // of its working directory, at level Process
	// noMemoryLimit is the plan's.
	noMemoryLimit bool
	jobUID        int // outside
}

// startTimeout bounds a jail's start, preloaded libraries included; pandas takes 0.3 s warm and some seconds from a cold disk.
const startTimeout = 60 * time.Second

// startServer starts a jail and waits until its libraries are loaded and its first child is sandboxed.
func startServer(p *plan, s launch.Spec, w wanted, cleanup func()) (_ *server, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "control")
	defer theirs.Close()
	control, err := unixConn(fds[0])
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	v := &server{
		control: control, message: make([]byte, 8<<10), ancillary: make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(4)),
		events: make(chan event, 4), knows: make(chan bool, 1), exited: make(chan struct{}), stderr: &tail{}, level: s.Level, limits: p.limits,
		started: time.Now(), cleanup: cleanup, noMemoryLimit: p.faults.noMemoryLimit, jobUID: s.IDs.Job,
		restorePriority: func() error { return nil },
	}
	path, args, err := p.command(s)
	if err != nil {
		control.Close()
		return nil, err
	}
	v.cmd = &exec.Cmd{Path: path, Args: args, Env: []string{}, Stderr: v.stderr, ExtraFiles: []*os.File{theirs}, SysProcAttr: s.SysProcAttr()}
	if p.backend == Bubblewrap {
		filter, err := memfile("filter", p.outerFilter)
		if err != nil {
			control.Close()
			return nil, err
		}
		defer filter.Close()
		v.cmd.ExtraFiles = append(v.cmd.ExtraFiles, filter)
	}
	v.cmd.WaitDelay = killGrace // for whoever has its stderr still
	begun := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel ends the jail with the thread that has started it, which is to live as long
		defer runtime.UnlockOSThread()
		err := v.cmd.Start()
		begun <- err
		if err == nil {
			v.cmd.Wait()
			close(v.exited)
		}
	}()
	if err := <-begun; err != nil {
		control.Close()
		return nil, fmt.Errorf("start %s: %w", p.backend, err)
	}
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	theirs.Close()
	set := p.settings(s, w)
	if err := v.boot(p, set, w.lowPriority); err != nil {
		return nil, err
	}
	if err = p.intoCgroup(v); err != nil {
		return nil, err
	}
	if v.level == Process {
		procfs.SetOOMScore(v.pid, killedFirst)
	}
	if set.Profile {
		if err := v.useHugePages(); err != nil {
			return nil, err
		}
	}
	go v.listen()
	if set.Profile {
		if err := v.firstChild(); err != nil {
			return nil, err
		}
		if err := v.profile(p, w.dataFrames); err != nil {
			return nil, err
		}
	}
	if err := v.restorePriority(); err != nil {
		return nil, err
	}
	return v, v.firstChild()
}

// firstChild prepares a child and waits until it is sandboxed.
func (v *server) firstChild() error {
	if err := v.prepare(); err != nil {
		return err
	}
	if _, inTime := within(startTimeout, v.next.sandboxed); !inTime {
		return errors.New("the jail's first child was not sandboxed in time")
	}
	return v.next.failure()
}

// within waits for a value, or the end, of c. It does so in quarters: a worker that has itself been stopped for long finds one of them
// over when it goes on, and not all of its patience.
func within[T any](patience time.Duration, c <-chan T) (value T, inTime bool) {
	for range 4 {
		select {
		case value = <-c:
			return value, true
		case <-time.After(patience / 4):
		}
	}
	return value, false
}

// broken names what the jail itself said, when it said something.
func (v *server) broken(what string, err error) error {
	select {
	case <-v.exited:
	case <-time.After(time.Second):
	}
	if said := strings.TrimSpace(v.stderr.String()); said != "" {
		return fmt.Errorf("%s jail: %w: %s", what, err, said)
	}
	return fmt.Errorf("%s jail: %w", what, err)
}

// jobPID is the pid that the job has for this process, 0 while unknown.
func (v *server) jobPID() int {
	if v.level == Process {
		return v.pid
	}
	return int(v.forked.Load())
}

// expect tells the server what the jobs to come are like: for those with data frames a fork copies a lot that is copied in vain for
// others. Without it, it takes them to have some.
func (v *server) expect(dataFrames bool) error {
	if !v.tunable || dataFrames == v.dataFrames {
		return nil
	}
	order := "frames 0"
	if dataFrames {
		order = "frames 1"
	}
	v.dataFrames = dataFrames
	if _, err := v.control.Write([]byte(order)); err != nil {
		return fmt.Errorf("fork in jail: %w", err)
	}
	return nil
}

// prepare has the next child forked; it sandboxes itself and rehearses while nobody waits for it.
func (v *server) prepare() error {
	c, theirs, err := newChild(v.limits)
	if err != nil {
		return err
	}
	c.ordered = time.Since(v.started)
	v.forked.Store(0)
	v.forkedAt.Store(0)
	if !v.counted {
		v.cgroup.MarkKills()
		v.counted = true
	}
	_, _, err = v.control.WriteMsgUnix([]byte("fork"), unix.UnixRights(theirs...), nil)
	closeAll(theirs)
	if err != nil {
		c.close()
		return fmt.Errorf("fork in jail: %w", err)
	}
	v.next = c
	return nil
}

// close ends the jail and everything in it, and returns when nothing of it is left. Safe to call more than once.
func (v *server) close() {
	_ = v.restorePriority()
	if v.level == Process && v.pid != 0 && v.alive() {
		unix.Kill(v.pid, unix.SIGKILL) // it waits for its job, not for the control socket
	}
	v.control.Close() // the server ends when its worker is gone, and everything in its pid namespace with it
	select {
	case <-v.exited:
	case <-time.After(2 * time.Second):
		v.cmd.Process.Kill()
		<-v.exited
	}
	if v.next != nil {
		v.next.close()
		v.next = nil
	}
	if err := v.cgroup.Remove(); err == nil { // else with the pool's
		v.cgroup = nil
	}
	if v.cleanup != nil {
		v.cleanup()
		v.cleanup = nil
	}
}

// A fork server does the same small things over and over; one that is growing is damaged in a way that nobody has thought of.
const (
	growthChecked = 64       // jobs between two looks
	growthAllowed = 16 << 20 // bytes
)

// grown reports, at every growthChecked-th job, whether the server has become larger than it was when its jobs began.
func (v *server) grown() bool {
	if v.served%growthChecked != 1 {
		return false
	}
	now, err := procfs.SizesOf(v.pid)
	if err != nil {
		return false // gone, which is seen elsewhere
	}
	if v.firstRSS == 0 {
		v.firstRSS = now.Resident
	}
	return now.Resident > v.firstRSS+growthAllowed
}

// alive reports whether the jail is still there.
func (v *server) alive() bool {
	select {
	case <-v.exited:
		return false
	default:
		return true
	}
}

func unixConn(fd int) (*net.UnixConn, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "control")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// memfile is an anonymous file that holds data, read from its start.
func memfile(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteAt(data, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("memfd: %w", err)
	}
	return f, nil
}

// tail keeps the last of what a jail says on stderr: nsjail's own words when it cannot start.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if extra := t.buf.Len() - tailBytes; extra > 0 {
		t.buf.Next(extra)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
