package jail

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
	"safepy/internal/jobpath"
)

// leftovers reads what a job that was killed, and could not say so itself, has left in its working directory. What files.py does at the
// end of a job is done here by the same rules, from outside: the job and all of its processes are gone, and what they made is theirs.
// Names and contents are taken as bytes and bounded; every step is relative to an open folder, follows no link and opens regular files
// only; and the kernel lets the thread that does it have what the job's uid may have, no more.
type leftovers struct {
	limits Limits
	// given are the request's files by path: one that is as it came is no result.
	given map[string]string

	files          []File
	whole, unnamed int
	room           int64
	seen           int
}

// entriesMost is how many names are looked at: ENTRIES_MOST of files.py.
const entriesMost = 10_000

// collect reads the directory, which it closes; none has nothing in it.
func collect(directory *os.File, uid int, given []File, l Limits) (files []File, unnamed int) {
	if directory == nil {
		return nil, 0
	}
	defer directory.Close()
	found := &leftovers{limits: l, given: map[string]string{}, room: int64(l.FilesBytes)}
	for _, f := range given {
		content := f.Content
		if f.Encoding == "base64" {
			decoded, err := base64.StdEncoding.DecodeString(content)
			if err != nil {
				continue
			}
			content = string(decoded)
		}
		found.given[f.Path] = content
	}
	procfs.AsUser(uid, func() {
		// The one that came along may not be read from, or only by its path.
		fd, err := unix.Openat(int(directory.Fd()), ".", folderFlags, 0)
		if err != nil {
			found.unnamed++
			return
		}
		found.folder(fd, "")
	})
	return found.limits.honest(found.files, &found.unnamed), found.unnamed
}

const folderFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC

// leftover is one name in a folder.
type leftover struct {
	name string
	info unix.Stat_t
	err  error
}

func (e *leftover) isFolder() bool { return e.err == nil && e.info.Mode&unix.S_IFMT == unix.S_IFDIR }

// order is by path, in which a folder's name goes on with a slash.
func (e *leftover) order() string {
	if e.isFolder() {
		return e.name + "/"
	}
	return e.name
}

// folder looks at what lies in an open folder, which it closes. above is its path, with a slash behind it.
func (o *leftovers) folder(fd int, above string) {
	folder := os.NewFile(uintptr(fd), "")
	defer folder.Close()
	names, err := folder.Readdirnames(entriesMost - o.seen + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		o.name(strings.TrimSuffix(above, "/"), 0, Unreadable)
		return
	}
	var entries []leftover
	for _, name := range names {
		if isCache(above, name) {
			continue
		}
		if o.seen == entriesMost {
			o.unnamed++
			break
		}
		o.seen++
		e := leftover{name: name}
		if e.err = unix.Fstatat(fd, name, &e.info, unix.AT_SYMLINK_NOFOLLOW); !errors.Is(e.err, fs.ErrNotExist) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b leftover) int { return strings.Compare(a.order(), b.order()) })
	for _, e := range entries {
		o.entry(fd, above+e.name, &e)
	}
}

func (o *leftovers) entry(fd int, path string, e *leftover) {
	kind := e.info.Mode & unix.S_IFMT
	switch {
	case e.err != nil:
		o.name(path, 0, Unreadable)
	case kind == unix.S_IFDIR:
		if printable(path) != path || strings.Count(path, "/") >= jobpath.MaxLevels-1 {
			o.name(path, 0, OddName)
			return
		}
		below, err := unix.Openat(fd, e.name, folderFlags, 0)
		if err != nil {
			o.name(path, 0, Unreadable)
			return
		}
		o.folder(below, path+"/")
	case kind == unix.S_IFLNK:
		o.name(path, e.info.Size, Link)
	case kind != unix.S_IFREG:
		o.name(path, 0, Special)
	case printable(path) != path:
		o.name(path, e.info.Size, OddName)
	default:
		o.file(fd, path, e)
	}
}

// file takes a regular file, unless it is one of the request's and as it came.
func (o *leftovers) file(fd int, path string, e *leftover) {
	if content, given := o.given[path]; given && e.info.Size == int64(len(content)) {
		if data, err := readRegular(fd, e.name, int64(len(content))); err == nil && string(data) == content {
			return
		}
	}
	switch {
	case o.whole >= o.limits.Files:
		o.name(path, e.info.Size, TooMany)
		return
	case e.info.Size > o.room:
		o.name(path, e.info.Size, TooLarge)
		return
	}
	data, err := readRegular(fd, e.name, o.room)
	if err != nil {
		o.name(path, e.info.Size, Unreadable)
		return
	}
	o.whole++
	o.room -= int64(len(data))
	o.files = append(o.files, document(path, data))
}

// name mentions a file that is not handed back.
func (o *leftovers) name(path string, size int64, why Reason) {
	o.files = append(o.files, File{Path: printable(path), Size: size, Reason: why})
}

var errNotRegular = errors.New("no regular file")

// readRegular reads a file of at most so many bytes.
func readRegular(folder int, name string, most int64) ([]byte, error) {
	fd, err := unix.Openat(folder, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "")
	defer file.Close()
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil || info.Mode&unix.S_IFMT != unix.S_IFREG || info.Size > most {
		return nil, errNotRegular
	}
	data := make([]byte, info.Size)
	n, err := io.ReadFull(file, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

// caches are where libraries keep settings and caches of their own, directly in the working directory: _CACHES of files.py.
var caches = []string{
	".cache", ".config", ".local", ".matplotlib", ".ipython", ".jupyter", ".keras", ".astropy", ".dask", "tex.cache",
}

func isCache(above, name string) bool {
	if name == "__pycache__" {
		return true
	}
	return above == "" && (slices.Contains(caches, name) || strings.HasPrefix(name, "fontlist-v") ||
		strings.HasPrefix(name, ".") && strings.HasSuffix(name, "cache"))
}

// printable is the path as it is where it is one that a request could have; else with what is wrong in it as %XX, and cut.
func printable(path string) string {
	wrong := func(r rune) bool { return r == '\\' || unicode.IsControl(r) }
	if !utf8.ValidString(path) {
		wrong = func(r rune) bool { return r == '\\' || unicode.IsControl(r) || r >= utf8.RuneSelf }
	} else if len(path) <= jobpath.MaxBytes && !strings.ContainsFunc(path, wrong) {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); {
		r, size := utf8.DecodeRuneInString(path[i:])
		if wrong(r) {
			for _, c := range []byte(path[i : i+size]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(path[i : i+size])
		}
		i += size
	}
	if b.Len() <= jobpath.MaxBytes {
		return b.String()
	}
	return cutEnd(b.String(), jobpath.MaxBytes-3) + "..."
}

// document is a file as text where it is text, else as base64: _document of files.py.
func document(path string, data []byte) File {
	f := File{Path: path, Size: int64(len(data)), Content: string(data), Encoding: "utf-8"}
	if !utf8.Valid(data) || lengthAsJSON(data) > base64.StdEncoding.EncodedLen(len(data))+1024 {
		f.Content, f.Encoding = base64.StdEncoding.EncodeToString(data), "base64"
	}
	return f
}

// lengthAsJSON is how long a text is as a JSON string, by Python's encoder.
func lengthAsJSON(text []byte) int {
	n := len(text) + 2
	for _, c := range text {
		switch {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f':
			n++
		case c < ' ':
			n += 5
		}
	}
	return n
}
