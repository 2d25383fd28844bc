package jail

import (
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

// memory bounds what a job's process has taken since it got its job, the same on every host: anonymous memory, shared or not, that is
// there, not address space that might be. The worker looks at it while the job runs, and ends one that has more. The code of libraries,
// which is the file system's, does not count, nor what the process has had from its server; files in its working directory have a
// limit of their own.
type memory struct {
	limit int64
	// base is what the process had before its job; peak the most that it has been seen to have since.
	base procfs.Sizes
	used int64
	peak int64
	// asked is what it had when it was asked where it is, 0 before.
	asked int64
	// statm is kept open, so that it stays this process's whoever gets its number later. -1 while the number is not known.
	statm int
	// shared is what was found in maps when the address space that may be shared memory was sharedAt, until sharedUntil.
	shared, sharedAt int64
	sharedUntil      time.Time
	// took is how long the latest look took.
	took      time.Duration
	unlimited bool
}

// touched is how long a job needs at least to take so much.
func touched(bytes int64) time.Duration {
	return time.Duration(float64(bytes) / float64(touchRate*min(touchers, runtime.NumCPU())) * float64(time.Second))
}

const (
	// touchRate is the most that a thread can take in a second: 15 GB of memory that the kernel has at hand, in huge pages, on a machine
	// of 2023; in small ones it is 1 to 3 GB. Until the room that is left could be used up, by touchers at once, nobody need look.
	touchRate = 16 << 30
	touchers  = 2
	// leastPause is between looks at a job that has no room left.
	leastPause = time.Millisecond
	// farOverPart of the limit more than it had when it was asked where it is end a job that has not said so.
	farOverPart = 10
	// dearShare bounds what long looks take of a core.
	dearShare = 8
	// sharedFor is how long one look at a job's mappings is good for, as long as there are no more of them.
	sharedFor = 100 * time.Millisecond
	// serversTables is for the page tables that a job has from its server.
	serversTables = 2 << 20
)

// A request for memory is refused only beyond leastSpace of address space, or spacePerMB for each MB of the limit. C code that does not
// look whether it got what it asked for goes on with nothing: numpy's linear algebra answers zeros. What it asks for is ten times its
// argument at most (a singular value decomposition's), and of a matrix that is all zeros but for its diagonal a page in each row
// is there: 27,000 rows and 6 GB for a limit of 100 MB. Who asks for more at once gets Python's MemoryError.
const (
	leastSpace = 64 << 30
	spacePerMB = 64 << 20
)

// addressSpace is RLIMIT_AS.
func (l Limits) addressSpace() int64 { return max(leastSpace, int64(l.MemoryMB)*spacePerMB) }

// memory is the limit in bytes.
func (l Limits) memory() int64 { return int64(l.MemoryMB+l.importAllowanceMB) << 20 }

// refusesEarly reports whether a host refuses memory that it may not have when it is used, by its vm.overcommit_memory. Then no limit of
// ours is what a job meets first, and C code that does not check meets it too.
func refusesEarly(overcommit string) bool { return strings.TrimSpace(overcommit) == "2" }

func warnOfRefusals(log *slog.Logger) {
	if policy, err := os.ReadFile("/proc/sys/vm/overcommit_memory"); err == nil && refusesEarly(string(policy)) {
		log.Warn("this host refuses memory before a job's limit is reached, and libraries that do not check may then answer wrongly;"+
			" set vm.overcommit_memory to 0 or 1", "vm.overcommit_memory", 2)
	}
}

// weigh takes what the process has before its job, which it must not have been sent yet: it could take more before it is looked at.
func (v *server) weigh(l Limits) *memory {
	m := &memory{limit: l.memory(), statm: -1, unlimited: v.noMemoryLimit}
	if base, err := m.read(v.jobPID()); err == nil {
		v.base = base
	} else if v.base.Resident == 0 { // the server's word that it has forked is on its way; a fork has what its server has
		v.base, _ = procfs.SizesOf(v.pid)
	}
	m.base = v.base
	return m
}

// excess is what a look at a job's memory says.
type excess int

const (
	inside excess = iota
	over
	farOver // it goes on and on
)

// look sees what the job has now.
func (m *memory) look(pid int) excess {
	begun := time.Now()
	now, err := m.read(pid)
	if err != nil {
		return inside // it has ended
	}
	m.used = now.Anonymous - m.base.Anonymous
	data := now.Data - m.base.Data
	shareable := now.Space - m.base.Space - data // shared memory is here, and libraries' code, if it is anywhere
	if data > m.limit {
		m.used += hiddenBytes(pid)
	}
	present := m.used
	if m.used+shareable > m.limit {
		shared := m.sharedBytes(pid, shareable)
		m.used += shared
		present += min(shared, now.Resident-now.Anonymous-m.base.Resident+m.base.Anonymous)
	}
	m.took = time.Since(begun)
	m.peak = max(m.peak, m.used)
	switch {
	case m.unlimited || m.used <= m.limit:
		return inside
	case m.asked == 0:
		m.asked = m.used
		return over
	case present <= m.most(): // what is mapped and may be there is no reason for haste
		return over
	}
	return farOver
}

// most is what the job can have before it is ended without another word.
func (m *memory) most() int64 { return max(m.limit, m.asked) + m.limit/farOverPart }

// pause is how long the next look can wait.
func (m *memory) pause() time.Duration {
	return max(leastPause, dearShare*m.took, touched(max(0, m.most()-m.used)))
}

// signal is the short way to a job that has more than it may: its server would have to be given a processor first, for which the job
// itself is in its way. The process is the job as long as it can still be weighed: its number is nobody else's then.
func (m *memory) signal(pid int, number unix.Signal) error {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(process)
	if _, err := m.read(pid); err != nil {
		return err
	}
	return unix.PidfdSendSignal(process, number, nil, 0)
}

// answered takes the most that the process has ever had, while it is there. The kernel keeps that for all that is resident: what is
// some file's is taken off as it is now.
func (m *memory) answered(pid int) error {
	var most, anonymous, file, shared int64
	if err := procfs.StatusFields(pid, map[string]*int64{"VmHWM": &most, "RssAnon": &anonymous, "RssFile": &file,
		"RssShmem": &shared}); err != nil {
		return err
	}
	m.peak = max(m.peak, anonymous-m.base.Anonymous, most-file-shared-m.base.Anonymous)
	return nil
}

// ended takes what the kernel says of a process that is gone: the most that was resident, files included.
func (m *memory) ended(maxRSS int64) (nearlyOut bool) {
	m.peak = max(m.peak, maxRSS-m.base.Resident)
	return m.nearlyOut()
}

// nearlyOut reports whether the job has had nine tenths of its limit at least.
func (m *memory) nearlyOut() bool { return m.peak*10 >= m.limit*9 }

func (m *memory) close() {
	if m.statm >= 0 {
		unix.Close(m.statm)
		m.statm = -1
	}
}

func (m *memory) read(pid int) (s procfs.Sizes, err error) {
	if m.statm < 0 {
		if m.statm, err = procfs.OpenStatm(pid); err != nil {
			return s, err
		}
	}
	return procfs.ReadSizes(m.statm)
}

// hiddenBytes is what a process has and is not resident: on the host's swap, in the host's reserved huge pages, and in the tables of the
// pages that it has let go again.
func hiddenBytes(pid int) int64 {
	var swap, huge, tables int64
	_ = procfs.StatusFields(pid, map[string]*int64{"VmSwap": &swap, "HugetlbPages": &huge, "VmPTE": &tables})
	return swap + huge + max(0, tables-serversTables)
}

// sharedBytes is the shared memory that a process has mapped, as of now or a moment ago.
func (m *memory) sharedBytes(pid int, shareable int64) int64 {
	if shareable == m.sharedAt && time.Now().Before(m.sharedUntil) {
		return m.shared
	}
	shared, err := procfs.SharedMemory(pid)
	if err != nil {
		return m.shared
	}
	m.shared, m.sharedAt, m.sharedUntil = shared, shareable, time.Now().Add(sharedFor)
	return m.shared
}
