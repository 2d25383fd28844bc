package jail

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// text is what the interpreter's file holds of code and constants, once more, in huge pages that all servers of a pool map over their
// own. A child has nothing of a file's pages mapped at first, and finding its way to those of the interpreter took it 46 page faults
// for a script that does nothing; so it takes 2. Sealed: nobody can write to it any more, whatever he runs.
type text struct {
	file *os.File
	// address is where it belongs in the interpreter, size its length: whole huge pages both.
	address, size uint64
}

const hugePage = 2 << 20

// madvCollapse is MADV_COLLAPSE, since Linux 6.1.
const madvCollapse = 25

// shareText makes the text of an interpreter that is loaded at a fixed address. An error says why this one, or this kernel, has none.
func shareText(interpreter string) (_ *text, err error) {
	program, err := elf.Open(interpreter)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	if program.Type != elf.ET_EXEC {
		return nil, errors.New("it has no fixed address")
	}
	first, end := unchanging(program.Progs)
	t := &text{address: (first + hugePage - 1) &^ (hugePage - 1)}
	if end &= ^uint64(hugePage - 1); end <= t.address {
		return nil, errors.New("it is smaller than a huge page")
	}
	t.size = end - t.address
	fd, err := unix.MemfdCreate("text", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	t.file = os.NewFile(uintptr(fd), "text")
	defer func() {
		if err != nil {
			t.file.Close()
		}
	}()
	if err := t.fill(program.Progs); err != nil {
		return nil, err
	}
	if err := t.collapse(); err != nil {
		return nil, err
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(t.file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return t, nil
}

// unchanging are the addresses of the first segments that lie behind one another and are not written to, in whole pages.
func unchanging(segments []*elf.Prog) (first, end uint64) {
	page := uint64(os.Getpagesize())
	for _, s := range segments {
		if s.Type != elf.PT_LOAD {
			continue
		}
		start := s.Vaddr &^ (page - 1)
		if s.Flags&elf.PF_W != 0 || end != 0 && start != end {
			break
		}
		if end == 0 {
			first = start
		}
		end = (s.Vaddr + s.Filesz + page - 1) &^ (page - 1)
	}
	return first, end
}

// fill copies what the kernel would map: whole pages of the file.
func (t *text) fill(segments []*elf.Prog) error {
	if err := t.file.Truncate(int64(t.size)); err != nil {
		return err
	}
	for _, s := range segments {
		if s.Type != elf.PT_LOAD || s.Flags&elf.PF_W != 0 {
			continue
		}
		from, to := max(s.Vaddr, t.address), min(s.Vaddr+s.Filesz, t.address+t.size)
		if from >= to {
			continue
		}
		part := io.NewSectionReader(s, int64(from-s.Vaddr), int64(to-from))
		if _, err := io.Copy(io.NewOffsetWriter(t.file, int64(from-t.address)), part); err != nil {
			return fmt.Errorf("copy: %w", err)
		}
	}
	return nil
}

// collapse makes huge pages of it, which takes a mapping at a multiple of their size.
func (t *text) collapse() error {
	room, err := unix.MmapPtr(-1, 0, nil, uintptr(t.size+hugePage), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	defer unix.MunmapPtr(room, uintptr(t.size+hugePage))
	aligned := unsafe.Add(room, -uintptr(room)&(hugePage-1))
	if _, err := unix.MmapPtr(int(t.file.Fd()), 0, aligned, uintptr(t.size), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	if err := unix.Madvise(unsafe.Slice((*byte)(aligned), t.size), madvCollapse); err != nil {
		return fmt.Errorf("huge pages: %w", err)
	}
	return nil
}

// close lets go of it; who has it mapped keeps it. Nil has none.
func (t *text) close() {
	if t != nil {
		t.file.Close()
	}
}

// share has the server map the text over its own, where both are the same to the byte.
func (t *text) share(v *server) error {
	if t == nil {
		return nil
	}
	order := fmt.Appendf(nil, "text %d %d", t.address, t.size)
	if _, _, err := v.control.WriteMsgUnix(order, unix.UnixRights(int(t.file.Fd())), nil); err != nil {
		return v.broken("start", err)
	}
	return nil
}
