package jail

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// readSmall reads what fits the buffer of a file that the kernel makes up as it is read. Three system calls, where os.ReadFile takes
// twelve: it has the poller watch a file that is always ready.
func readSmall(path string, buffer []byte) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buffer)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return buffer[:n], nil
}

// writeSmall writes to such a file.
func writeSmall(path string, data []byte) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func procFile(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// memoryField reads one size off a process's status, in bytes.
func memoryField(pid int, name string) (size int64, err error) {
	return size, statusFields(pid, map[string]*int64{name: &size})
}

// statusFields reads sizes off a process's status, in bytes. A process that has none any more is an error.
func statusFields(pid int, wanted map[string]*int64) error {
	var buffer [4 << 10]byte
	status, err := readSmall(procFile(pid, "status"), buffer[:])
	if err != nil {
		return err
	}
	found := 0
	for line := range bytes.Lines(status) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		size, known := wanted[string(name)]
		if !known {
			continue
		}
		number, _, _ := bytes.Cut(bytes.TrimLeft(rest, " \t"), []byte(" kB"))
		kilobytes, err := strconv.ParseInt(string(number), 10, 64)
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		*size = kilobytes << 10
		found++
	}
	if found == 0 {
		return errNoMemory
	}
	return nil
}

var errNoMemory = errors.New("status: the process has no memory any more")

// asUser runs f with the uid by which the kernel decides who may look at a process: its own, which even root must have without
// CAP_SYS_PTRACE and CAP_DAC_OVERRIDE. It is the thread's own, and the thread ends with it.
func asUser(uid int, f func()) {
	if os.Geteuid() != 0 {
		f() // the jails' uid is this one
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		_ = unix.Setfsgid(uid)
		_ = unix.Setfsuid(uid)
		f()
	}()
	<-done
}

// asOwner runs f with the uid of a file's owner.
func asOwner(path string, f func()) error {
	var info unix.Stat_t
	if err := unix.Stat(path, &info); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	asUser(int(info.Uid), f)
	return nil
}

// openAsOwner opens a file of /proc that is its owner's alone.
func openAsOwner(path string) (file *os.File, err error) {
	if err := asOwner(path, func() { file, err = os.Open(path) }); err != nil {
		return nil, err
	}
	return file, err
}

// expose makes a job's process the first that the kernel kills when memory runs out, in its cgroup or on the whole host: before
// the fork server, which may be larger, and before the worker.
func expose(pid int) error { return writeSmall(procFile(pid, "oom_score_adj"), []byte("1000")) }
