package procfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Sizes are those of a process, in bytes: its address space and what of that is its own to write, and what is in memory, and what of
// that is nobody's file.
type Sizes struct{ Space, Data, Resident, Anonymous int64 }

func SizesOf(pid int) (s Sizes, err error) {
	fd, err := OpenStatm(pid)
	if err != nil {
		return s, err
	}
	defer unix.Close(fd)
	return ReadSizes(fd)
}

func OpenStatm(pid int) (int, error) {
	if pid == 0 {
		return -1, errNoProcess
	}
	fd, err := unix.Open(Path(pid, "statm"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open statm: %w", err)
	}
	return fd, nil
}

var (
	errNoProcess = errors.New("statm: the process is not known")
	errStatm     = errors.New("statm: too short")
)

// ReadSizes takes 2 us, where status takes 10.
func ReadSizes(fd int) (Sizes, error) {
	var buffer [256]byte
	n, err := unix.Pread(fd, buffer[:], 0)
	if err != nil {
		return Sizes{}, err
	}
	var pages [6]int64 // size resident shared text lib data
	field := 0
	for _, c := range buffer[:n] {
		if c >= '0' && c <= '9' {
			pages[field] = pages[field]*10 + int64(c-'0')
		} else if field++; field == len(pages) {
			break
		}
	}
	if pages[0] == 0 {
		return Sizes{}, errStatm // it has no memory any more
	}
	size := int64(os.Getpagesize())
	return Sizes{Space: pages[0] * size, Data: pages[5] * size, Resident: pages[1] * size, Anonymous: (pages[1] - pages[2]) * size}, nil
}
