// Package diskquota bounds what a process has in a directory that lies on a disk where no size can be set: it looks at the directory, and
// at what the process keeps open or mapped without a name, and says when that is too much.
package diskquota

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

// Quota bounds the directory of one job by looking at it while the job runs. Between two looks a job can write what the disk takes in that
// time. A nil one bounds nothing.
type Quota struct {
	path  string // with no symlink in it, as the kernel names it in a process's maps
	uid   int    // the job's
	bytes int64
	names int
}

const (
	// firstLook is after most jobs have ended, so that it costs them nothing.
	firstLook = 50 * time.Millisecond
	// lookShare is how much longer than a look the pause after it is: looks take a tenth of one core at most.
	lookShare = 10
	// deepest is how many folders may lie in one another; each is an open descriptor of the worker's during a look.
	deepest = 200
)

// New bounds a directory to so many bytes and names of files. uid is the job's, as whom the worker may look at its process.
func New(path string, uid int, bytes int64, names int) (*Quota, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	return &Quota{path: real, uid: uid, bytes: bytes, names: names}, nil
}

// Open opens the directory; nil where there is none.
func (q *Quota) Open() *os.File {
	if q == nil {
		return nil
	}
	fd, err := unix.Open(q.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "left")
}

// Watch looks until the job has more than it may, which it reports once, or stop is called, which waits for a look to end.
func (q *Quota) Watch(pid int) (over <-chan struct{}, stop func()) {
	if q == nil {
		return nil, func() {}
	}
	found, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		next := time.NewTimer(firstLook)
		defer next.Stop()
		for {
			select {
			case <-end:
				return
			case <-next.C:
			}
			begun := time.Now()
			if q.exceededDuring(pid) {
				close(found)
				return
			}
			next.Reset(max(firstLook, lookShare*time.Since(begun)))
		}
	}()
	return found, func() {
		close(end)
		<-ended
	}
}

// exceededDuring looks at the directory, and at files without a name that the job keeps open or mapped.
func (q *Quota) exceededDuring(pid int) bool {
	t := q.count()
	if t.over(q) {
		return true
	}
	procfs.AsUser(q.uid, func() {
		t.addOpen(pid)
		t.addMapped(pid, q.path)
	})
	return t.over(q)
}

// Exceeded looks when the job has ended, and nothing is left but what has a name.
func (q *Quota) Exceeded() bool {
	if q == nil {
		return false
	}
	t := q.count()
	return t.over(q)
}
