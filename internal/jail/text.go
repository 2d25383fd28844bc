package jail

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// texts are pieces of programs and libraries, code and constants, once more, each in one huge page that all servers of a pool map over
// their own. A child has nothing of a file's pages mapped at first, and finding its way to those of the interpreter took it 46 page
// faults for a script that does nothing, to numpy's 42 more; so each piece takes one. Sealed: nobody can write to them any more,
// whatever he runs.
type texts struct {
	log *slog.Logger

	mu     sync.Mutex
	made   map[textPlace]*os.File // nil where there can be none
	closed bool
}

// textPlace is where a text comes from: a file and an offset in it, a multiple of a huge page's size.
type textPlace struct {
	path   string
	offset uint64
}

const hugePage = 2 << 20

// madvCollapse is MADV_COLLAPSE, since Linux 6.1.
const madvCollapse = 25

func newTexts(log *slog.Logger) *texts { return &texts{log: log, made: map[textPlace]*os.File{}} }

// of returns the text from a place, nil where there can be none.
func (t *texts) of(place textPlace) *os.File {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	file, tried := t.made[place]
	if tried || t.closed {
		return file
	}
	file, err := makeText(place)
	if err != nil {
		t.log.Info("code is not shared in huge pages", "file", place.path, "because", err)
		file = nil
	}
	t.made[place] = file
	return file
}

// close lets go of them all; who has one mapped keeps it.
func (t *texts) close() {
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

func makeText(place textPlace) (_ *os.File, err error) {
	source, err := os.Open(place.path)
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
	if err := text.Truncate(hugePage); err != nil {
		return nil, err
	}
	if _, err := io.Copy(text, io.NewSectionReader(source, int64(place.offset), hugePage)); err != nil {
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
	room, err := unix.MmapPtr(-1, 0, nil, 2*hugePage, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	defer unix.MunmapPtr(room, 2*hugePage)
	aligned := unsafe.Add(room, -uintptr(room)&(hugePage-1))
	if _, err := unix.MmapPtr(int(file.Fd()), 0, aligned, hugePage, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	if err := unix.Madvise(unsafe.Slice((*byte)(aligned), hugePage), madvCollapse); err != nil {
		return fmt.Errorf("huge pages: %w", err)
	}
	return nil
}

// textAt is a piece of a program in a server's memory that could be a text.
type textAt struct {
	textPlace
	address uint64
}

// textsIn are the whole huge pages of code and constants among a process's mappings. Only those that lie in their file as they lie in
// memory: for others no two servers would have one in common.
func textsIn(mappings []mapping) []textAt {
	var found []textAt
	for i := 0; i < len(mappings); {
		first, end := mappings[i], mappings[i].end
		for i++; i < len(mappings) && mappings[i].follows(first, end); i++ {
			end = mappings[i].end
		}
		if first.path == "" || first.writable {
			continue
		}
		for address, last := hugePagesIn(first.start, end); address < last; address += hugePage {
			if offset := first.offset + address - first.start; offset%hugePage == 0 {
				found = append(found, textAt{textPlace{first.path, offset}, address})
			}
		}
	}
	return found
}

// follows reports whether m is where the file of first goes on behind end.
func (m mapping) follows(first mapping, end uint64) bool {
	return m.start == end && m.path == first.path && m.writable == first.writable && m.offset == first.offset+end-first.start
}

// share has the server map a text over its own, where both are the same to the byte.
func (v *server) share(file *os.File, address uint64) error {
	order := fmt.Appendf(nil, "text %d %d", address, hugePage)
	if _, _, err := v.control.WriteMsgUnix(order, unix.UnixRights(int(file.Fd())), nil); err != nil {
		return v.broken("study", err)
	}
	return nil
}
