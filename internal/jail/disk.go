package jail

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

// disk bounds the working directory of a job at level Process. It lies on the disk of the worker's container, where no size can be
// set, so the worker looks at it while the job runs and ends a job that has more in it than the tmpfs of level Namespaces would hold.
// Between two looks a job can write what the disk takes in that time.
type disk struct {
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
	// filesPerMB is how many names a working directory has room for, at both levels.
	filesPerMB = 64
)

func newDisk(path string, uid int, l Limits) (*disk, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	return &disk{path: real, uid: uid, bytes: int64(l.DiskMB) << 20, names: l.DiskMB * filesPerMB}, nil
}

// removeDirectory removes what a job has left, which has ended, and follows no link. Where jobs have the worker's own uid, one may
// have locked a folder.
func removeDirectory(path string) {
	if os.RemoveAll(path) == nil {
		return
	}
	_ = filepath.WalkDir(path, func(path string, entry fs.DirEntry, _ error) error {
		if entry != nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(path)
}

// open opens the directory; nil where there is none.
func (d *disk) open() *os.File {
	if d == nil {
		return nil
	}
	fd, err := unix.Open(d.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "left")
}

// watch looks until the job has more than it may, which it reports once, or stop is called, which waits for a look to end.
func (d *disk) watch(pid int) (over <-chan struct{}, stop func()) {
	if d == nil {
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
			if d.overDuring(pid) {
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

// overDuring looks at the directory, and at files without a name that the job keeps open or mapped.
func (d *disk) overDuring(pid int) bool {
	u := d.inDirectory()
	if u.over(d) {
		return true
	}
	procfs.AsUser(d.uid, func() {
		u.addOpen(pid)
		u.addMapped(pid, d.path)
	})
	return u.over(d)
}

// overAfter looks when the job has ended, and nothing is left but what has a name.
func (d *disk) overAfter() bool {
	if d == nil {
		return false
	}
	u := d.inDirectory()
	return u.over(d)
}

// inode tells files apart.
type inode struct{ device, number uint64 }

// usage is what a job has on disk, as far as it has been counted.
type usage struct {
	names int
	bytes int64
	seen  map[inode]bool
	// unsized are files of unknown size without a name.
	unsized map[string]bool
	// hidden says that there is a folder which the worker cannot look into, or one too deep.
	hidden bool
}

// over reports whether that is more than d allows. One file of unknown size can have at most as much as all together may.
func (u *usage) over(d *disk) bool {
	return u.hidden || u.names > d.names || u.bytes > d.bytes || len(u.unsized) > 1
}

// inDirectory counts until there is too much.
func (d *disk) inDirectory() *usage {
	u := &usage{seen: map[inode]bool{}, unsized: map[string]bool{}}
	fd, err := unix.Open(d.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		u.hidden = !errors.Is(err, fs.ErrNotExist)
		return u
	}
	u.addDirectory(d, fd, 0)
	return u
}

// addDirectory counts what lies in an open folder, which it closes. Every step is relative to it, and no link is followed.
func (u *usage) addDirectory(d *disk, fd, depth int) {
	folder := os.NewFile(uintptr(fd), "")
	defer folder.Close()
	for !u.over(d) {
		names, _ := folder.Readdirnames(256)
		if len(names) == 0 {
			return
		}
		for _, name := range names {
			var info unix.Stat_t
			if err := unix.Fstatat(fd, name, &info, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				continue // gone meanwhile
			}
			u.names++
			u.addFile(&info)
			if info.Mode&unix.S_IFMT != unix.S_IFDIR {
				continue
			}
			below, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			switch {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP): // another by now
			case err != nil || depth == deepest:
				u.hidden = true
				unix.Close(below)
				return
			default:
				u.addDirectory(d, below, depth+1)
			}
		}
	}
}

// addFile counts a file by its length or by its blocks, whichever is more: some file systems say late how many blocks there are.
func (u *usage) addFile(info *unix.Stat_t) {
	key := inode{uint64(info.Dev), info.Ino}
	if u.seen[key] {
		return // it has several names, or another one than a moment ago
	}
	u.seen[key] = true
	u.bytes += max(info.Size, info.Blocks*512)
}

// addOpen counts the files without a name that a process has open.
func (u *usage) addOpen(pid int) {
	descriptors := "/proc/" + strconv.Itoa(pid) + "/fd/"
	entries, err := os.ReadDir(descriptors)
	if err != nil {
		return // it has ended; that looking is allowed was proven at the start
	}
	for _, e := range entries {
		var info unix.Stat_t
		if err := unix.Stat(descriptors+e.Name(), &info); err == nil && info.Mode&unix.S_IFMT == unix.S_IFREG && info.Nlink == 0 {
			u.names++
			u.addFile(&info)
		}
	}
}

// addMapped finds the files of the directory that a process has mapped, and that have no name and are not open any more. Their sizes
// are nowhere to be read.
func (u *usage) addMapped(pid int, path string) {
	maps, err := os.ReadFile(procfs.Path(pid, "maps"))
	if err != nil || !bytes.Contains(maps, []byte(path)) {
		return
	}
	for line := range bytes.Lines(maps) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		// address, mode, offset, device, inode, path
		at := bytes.Index(line, []byte(" "+path+"/"))
		fields := bytes.Fields(line)
		if at < 0 || len(fields) < 6 || !bytes.HasSuffix(line, []byte(" (deleted)")) {
			continue
		}
		number, _ := strconv.ParseUint(string(fields[4]), 10, 64)
		if !u.knows(number) {
			u.unsized[string(fields[4])] = true
		}
	}
}

// knows reports whether a file with this number has been counted. The device is left out: maps and stat do not agree on it everywhere.
func (u *usage) knows(number uint64) bool {
	for key := range u.seen {
		if key.number == number {
			return true
		}
	}
	return false
}
