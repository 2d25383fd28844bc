// Package perf has the kernel count what processes do, and all that they start: page faults and system calls. Unlike times these do
// not depend on the machine or on what else it does.
package perf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrForbidden says that this host lets nobody like us count.
var ErrForbidden = errors.New("perf: this host does not let us count")

// Counts are those since the counters were made.
type Counts struct {
	PageFaults, SystemCalls uint64
}

// Counters count for every process that Do starts, and for its descendants, whatever namespaces they are in.
type Counters struct {
	do           chan func()
	faults, call int
}

// waits are the calls by which Go's scheduler waits: how many there are depends on what else the machine does.
var waits = []int{unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_EPOLL_PWAIT, unix.SYS_SCHED_YIELD}

// New has the counters on a thread that starts processes and does nothing else: the kernel hands them down from a thread to what it
// forks. System calls by which Go's scheduler waits do not count, nor those with the numbers in ignored. It takes root, or a
// kernel.perf_event_paranoid below 0.
func New(ignored ...int) (*Counters, error) {
	c := &Counters{do: make(chan func())}
	opened := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := c.open(append(ignored, waits...))
		opened <- err
		if err != nil {
			return
		}
		for f := range c.do {
			f()
		}
	}()
	if err := <-opened; err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Counters) open(ignored []int) error {
	id, err := tracepoint("raw_syscalls/sys_enter")
	if err != nil {
		return err
	}
	if c.faults, err = inherited(unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_PAGE_FAULTS); err != nil {
		return err
	}
	if c.call, err = inherited(unix.PERF_TYPE_TRACEPOINT, id); err != nil {
		unix.Close(c.faults)
		return err
	}
	var conditions []string
	for _, number := range ignored {
		conditions = append(conditions, fmt.Sprintf("id != %d", number))
	}
	if err := setFilter(c.call, strings.Join(conditions, " && ")); err != nil {
		unix.Close(c.faults)
		unix.Close(c.call)
		return err
	}
	return nil
}

func setFilter(fd int, filter string) error {
	text, err := unix.BytePtrFromString(filter)
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.PERF_EVENT_IOC_SET_FILTER, uintptr(unsafe.Pointer(text))); errno != 0 {
		return fmt.Errorf("perf: filter %q: %w", filter, errno)
	}
	return nil
}

func tracepoint(name string) (uint64, error) {
	for _, root := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		text, err := os.ReadFile(filepath.Join(root, "events", name, "id"))
		if err == nil {
			return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		}
	}
	return 0, fmt.Errorf("%w: no tracefs at /sys/kernel/tracing", ErrForbidden)
}

func inherited(kind uint32, config uint64) (int, error) {
	attr := unix.PerfEventAttr{Type: kind, Config: config, Bits: unix.PerfBitInherit}
	attr.Size = uint32(unsafe.Sizeof(attr))
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOSYS):
		return 0, fmt.Errorf("%w: %w", ErrForbidden, err)
	case err != nil:
		return 0, fmt.Errorf("perf: open a counter: %w", err)
	}
	return fd, nil
}

// Do runs f, which starts processes, where they are counted.
func (c *Counters) Do(f func()) {
	done := make(chan struct{})
	c.do <- func() {
		defer close(done)
		f()
	}
	<-done
}

// Read adds up what all of them have counted, the dead ones included.
func (c *Counters) Read() (Counts, error) {
	faults, err := read(c.faults)
	if err != nil {
		return Counts{}, err
	}
	calls, err := read(c.call)
	return Counts{faults, calls}, err
}

func read(fd int) (uint64, error) {
	var value [8]byte
	if _, err := unix.Read(fd, value[:]); err != nil {
		return 0, fmt.Errorf("perf: read a counter: %w", err)
	}
	return binary.NativeEndian.Uint64(value[:]), nil
}

// Close ends the thread; what it has started goes on.
func (c *Counters) Close() {
	close(c.do)
	unix.Close(c.faults)
	unix.Close(c.call)
}
