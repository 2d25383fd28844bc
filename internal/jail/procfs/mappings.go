package procfs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Mapping is a range of addresses that a process shares with nobody by intention, and what lies there.
type Mapping struct {
	Start, End uint64
	Writable   bool
	// Plain says that it may be written to and not run, and is no thread's stack.
	Plain bool
	// Path and Offset are of the file that is mapped there; empty where there is none.
	Path   string
	Offset uint64
}

// Mappings are a process's private mappings that it may read.
func Mappings(pid int) ([]Mapping, error) {
	maps, err := readMaps(pid)
	if err != nil {
		return nil, err
	}
	return parseMappings(maps)
}

func readMaps(pid int) ([]byte, error) {
	file, err := OpenAsOwner(Path(pid, "maps"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

func parseMappings(maps []byte) ([]Mapping, error) {
	var found []Mapping
	lines := bufio.NewScanner(bytes.NewReader(maps))
	for lines.Scan() {
		var m Mapping
		var mode, device, inode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s %x %s %s", &m.Start, &m.End, &mode, &m.Offset, &device, &inode); err != nil ||
			len(mode) != 4 {
			return nil, fmt.Errorf("mapping %q: %w", lines.Text(), err)
		}
		if mode[0] != 'r' || mode[3] != 'p' {
			continue
		}
		m.Writable = mode[1] == 'w'
		m.Plain = mode == "rw-p" && !strings.HasSuffix(lines.Text(), "[stack]")
		if i := strings.IndexByte(lines.Text(), '/'); i >= 0 && inode != "0" {
			m.Path = lines.Text()[i:]
		}
		found = append(found, m)
	}
	return found, lines.Err()
}

// SharedMemory is the shared memory that a process has mapped, whole: it is there, even when the process has let go of its pages.
func SharedMemory(pid int) (int64, error) {
	maps, err := readMaps(pid)
	if err != nil {
		return 0, err
	}
	return sharedIn(maps), nil
}

// anonymousShared is how the kernel names memory that is shared and no file's, for which it makes a file.
var anonymousShared = []byte("/dev/zero (deleted)")

func sharedIn(maps []byte) (total int64) {
	for line := range bytes.Lines(maps) {
		if !bytes.HasSuffix(bytes.TrimRight(line, "\n"), anonymousShared) {
			continue
		}
		span, _, _ := bytes.Cut(line, []byte(" "))
		from, to, _ := bytes.Cut(span, []byte("-"))
		start, err1 := strconv.ParseUint(string(from), 16, 64)
		end, err2 := strconv.ParseUint(string(to), 16, 64)
		if err1 == nil && err2 == nil && end > start {
			total += int64(end - start)
		}
	}
	return total
}
