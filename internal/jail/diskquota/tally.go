package diskquota

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

// inode tells files apart.
type inode struct{ device, number uint64 }

// tally is what a job has on disk, as far as it has been counted.
type tally struct {
	names int
	bytes int64
	seen  map[inode]bool
	// unsized are files of unknown size without a name.
	unsized map[string]bool
	// hidden says that there is a folder which the worker cannot look into, or one too deep.
	hidden bool
}

// over reports whether that is more than q allows. One file of unknown size can have at most as much as all together may.
func (t *tally) over(q *Quota) bool {
	return t.hidden || t.names > q.names || t.bytes > q.bytes || len(t.unsized) > 1
}

// count counts until there is too much.
func (q *Quota) count() *tally {
	t := &tally{seen: map[inode]bool{}, unsized: map[string]bool{}}
	fd, err := unix.Open(q.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		t.hidden = !errors.Is(err, fs.ErrNotExist)
		return t
	}
	t.addDirectory(q, fd, 0)
	return t
}

// addDirectory counts what lies in an open folder, which it closes. Every step is relative to it, and no link is followed.
func (t *tally) addDirectory(q *Quota, fd, depth int) {
	folder := os.NewFile(uintptr(fd), "")
	defer folder.Close()
	for !t.over(q) {
		names, _ := folder.Readdirnames(256)
		if len(names) == 0 {
			return
		}
		for _, name := range names {
			var info unix.Stat_t
			if err := unix.Fstatat(fd, name, &info, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				continue // gone meanwhile
			}
			t.names++
			t.addFile(&info)
			if info.Mode&unix.S_IFMT != unix.S_IFDIR {
				continue
			}
			below, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			switch {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP): // another by now
			case err != nil || depth == deepest:
				t.hidden = true
				unix.Close(below)
				return
			default:
				t.addDirectory(q, below, depth+1)
			}
		}
	}
}

// addFile counts a file by its length or by its blocks, whichever is more: some file systems say late how many blocks there are.
func (t *tally) addFile(info *unix.Stat_t) {
	key := inode{uint64(info.Dev), info.Ino}
	if t.seen[key] {
		return // it has several names, or another one than a moment ago
	}
	t.seen[key] = true
	t.bytes += max(info.Size, info.Blocks*512)
}

// addOpen counts the files without a name that a process has open.
func (t *tally) addOpen(pid int) {
	descriptors := "/proc/" + strconv.Itoa(pid) + "/fd/"
	entries, err := os.ReadDir(descriptors)
	if err != nil {
		return // it has ended; that looking is allowed was proven at the start
	}
	for _, e := range entries {
		var info unix.Stat_t
		if err := unix.Stat(descriptors+e.Name(), &info); err == nil && info.Mode&unix.S_IFMT == unix.S_IFREG && info.Nlink == 0 {
			t.names++
			t.addFile(&info)
		}
	}
}

// addMapped finds the files of the directory that a process has mapped, and that have no name and are not open any more. Their sizes
// are nowhere to be read.
func (t *tally) addMapped(pid int, path string) {
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
		if !t.knows(number) {
			t.unsized[string(fields[4])] = true
		}
	}
}

// knows reports whether a file with this number has been counted. The device is left out: maps and stat do not agree on it everywhere.
func (t *tally) knows(number uint64) bool {
	for key := range t.seen {
		if key.number == number {
			return true
		}
	}
	return false
}
