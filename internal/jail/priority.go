package jail

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

// lowPriorityNice is how much nicer than before a process of low priority is: to one of usual priority it leaves six parts of seven. A
// start that may wait then takes 4 s instead of 2 while pandas jobs keep all processors busy, and they notice it half as much
// (ARCHITECTURE.md).
const lowPriorityNice, nicest = 8, 19

// lowPriorityAtMost is how long a start has low priority: on a machine that leaves no room at all it would never come to an end.
const lowPriorityAtMost = 10 * time.Second

// lowerPriority gives a process low priority, and all that it starts meanwhile, for so long or until restorePriority is called, which may
// be more than once; a process that this fails for keeps it for ever.
func lowerPriority(pid int, atMost time.Duration) (restorePriority func() error) {
	var undo []func() error
	if group, nice := autogroup(pid); group != "" && group != ownAutogroup() {
		if setAutogroup(pid, min(nice+lowPriorityNice, nicest)) == nil {
			undo = append(undo, func() error { return setAutogroup(pid, nice) })
		}
	}
	if canRestorePriority() {
		if nice, err := niceOf(pid); err == nil {
			if unix.Setpriority(unix.PRIO_PROCESS, pid, min(nice+lowPriorityNice, nicest)) == nil {
				undo = append(undo, func() error { return unix.Setpriority(unix.PRIO_PROCESS, pid, nice) })
			}
		}
	}
	once := sync.OnceValue(func() (err error) {
		for _, u := range undo {
			err = errors.Join(err, u())
		}
		if err != nil {
			return fmt.Errorf("priority: %w", err)
		}
		return nil
	})
	timer := time.AfterFunc(atMost, func() { _ = once() })
	return func() error {
		timer.Stop()
		return once()
	}
}

// canRestorePriority tells whether this process may make one less nice again, which takes CAP_SYS_NICE, by doing so to a thread that ends.
var canRestorePriority = sync.OnceValue(func() bool {
	can := make(chan bool)
	go func() {
		runtime.LockOSThread()
		tid := unix.Gettid()
		nice, err := niceOf(tid)
		can <- err == nil && nice < nicest && unix.Setpriority(unix.PRIO_PROCESS, tid, nice+1) == nil &&
			unix.Setpriority(unix.PRIO_PROCESS, tid, nice) == nil
	}()
	return <-can
})

// niceOf is how nice a process is.
func niceOf(pid int) (int, error) {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, pid)
	return 20 - raw, err // the system call counts so, to have no negative answer
}

// Where the kernel shares processors among sessions first (autogroup), a process is only as nice towards others as its session is.

// autogroup is the name and the niceness of a process's session, "" where there is no such thing.
func autogroup(pid int) (group string, nice int) {
	return readAutogroup(procfs.Path(pid, "autogroup"))
}

func ownAutogroup() string {
	group, _ := readAutogroup("/proc/self/autogroup")
	return group
}

func readAutogroup(path string) (group string, nice int) {
	var buffer [128]byte
	text, err := procfs.ReadSmall(path, buffer[:])
	if err != nil {
		return "", 0
	}
	name, number, found := bytes.Cut(bytes.TrimSpace(text), []byte(" nice ")) // such as "/autogroup-17 nice 0"
	if nice, err = strconv.Atoi(string(number)); err != nil || !found {
		return "", 0
	}
	return string(name), nice
}

// autogroupTries is how often it is tried to make a session nicer or less nice: without privilege the kernel lets anybody do so only once
// in a tenth of a second.
const autogroupTries = 20

func setAutogroup(pid, nice int) (err error) {
	path := procfs.Path(pid, "autogroup")
	for range autogroupTries {
		if err := procfs.AsOwner(path, func() { err = procfs.WriteSmall(path, strconv.AppendInt(nil, int64(nice), 10)) }); err != nil {
			return err
		}
		if !errors.Is(err, unix.EAGAIN) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}
