package jail

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

// textSegments are pieces of programs and libraries, code and constants, once more, each in one huge page that all servers of a pool map
// over their own. A child has nothing of a file's pages mapped at first, and finding its way to those of the interpreter took it 46 page
// faults for a script that does nothing, to numpy's 42 more; so each piece takes one. Sealed: nobody can write to them any more, whatever
// he runs.
type textSegments struct {
	log *slog.Logger

	mu     sync.Mutex
	made   map[procfs.TextSegment]*os.File // nil where there can be none
	closed bool
}

// madvCollapse is MADV_COLLAPSE, since Linux 6.1.
const madvCollapse = 25

func newTextSegments(log *slog.Logger) *textSegments {
	return &textSegments{log: log, made: map[procfs.TextSegment]*os.File{}}
}

// of returns the text segment from a place, nil where there can be none.
func (t *textSegments) of(place procfs.TextSegment) *os.File {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	file, tried := t.made[place]
	if tried || t.closed {
		return file
	}
	file, err := makeTextSegment(place)
	if err != nil {
		t.log.Info("code is not shared in huge pages", "file", place.Path, "because", err)
		file = nil
	}
	t.made[place] = file
	return file
}

// close lets go of them all; who has one mapped keeps it.
func (t *textSegments) close() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, file := range t.made {
		if file != nil {
			file.Close()
		}
	}
	clear(t.made)
}

func makeTextSegment(place procfs.TextSegment) (_ *os.File, err error) {
	source, err := os.Open(place.Path)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	fd, err := unix.MemfdCreate("text", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	text := os.NewFile(uintptr(fd), "text")
	defer text.Close()
	if err := text.Truncate(procfs.HugePage); err != nil {
		return nil, err
	}
	if _, err := io.Copy(text, io.NewSectionReader(source, int64(place.Offset), procfs.HugePage)); err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	if err := collapse(text); err != nil {
		return nil, err
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(text.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	// Read-only: before Linux 6.7 what could be written, were it not for the seal, cannot be mapped and shared at all.
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", text.Fd()))
}

// collapse makes a huge page of a file that is as long, which takes a mapping at a multiple of its size.
func collapse(file *os.File) error {
	room, err := unix.MmapPtr(-1, 0, nil, 2*procfs.HugePage, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	defer unix.MunmapPtr(room, 2*procfs.HugePage)
	aligned := unsafe.Add(room, -uintptr(room)&(procfs.HugePage-1))
	if _, err := unix.MmapPtr(int(file.Fd()), 0, aligned, procfs.HugePage, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	if err := unix.Madvise(unsafe.Slice((*byte)(aligned), procfs.HugePage), madvCollapse); err != nil {
		return fmt.Errorf("huge pages: %w", err)
	}
	return nil
}

// share has the server map a text segment over its own, where both are the same to the byte.
func (v *server) share(file *os.File, address uint64) error {
	order := fmt.Appendf(nil, "text %d %d", address, procfs.HugePage)
	if _, _, err := v.control.WriteMsgUnix(order, unix.UnixRights(int(file.Fd())), nil); err != nil {
		return v.broken("study", err)
	}
	return nil
}
