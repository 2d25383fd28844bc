package procfs

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// AsUser runs f with the uid by which the kernel decides who may look at a process: its own, which even root must have without
// CAP_SYS_PTRACE and CAP_DAC_OVERRIDE. It is the thread's own, and the thread ends with it.
func AsUser(uid int, f func()) {
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

// AsOwner runs f with the uid of a file's owner.
func AsOwner(path string, f func()) error {
	var info unix.Stat_t
	if err := unix.Stat(path, &info); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	AsUser(int(info.Uid), f)
	return nil
}

// OpenAsOwner opens a file of /proc that is its owner's alone.
func OpenAsOwner(path string) (file *os.File, err error) {
	if err := AsOwner(path, func() { file, err = os.Open(path) }); err != nil {
		return nil, err
	}
	return file, err
}
