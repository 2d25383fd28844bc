package jail

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// pageRun is neighbouring pages of memory, in bytes.
type pageRun struct{ Address, Size uint64 }

// runsOf joins neighbours. pages are addresses in ascending order.
func runsOf(pages []uint64) []pageRun {
	var runs []pageRun
	size := uint64(os.Getpagesize())
	for _, page := range pages {
		if last := len(runs) - 1; last >= 0 && runs[last].Address+runs[last].Size == page {
			runs[last].Size += size
			continue
		}
		runs = append(runs, pageRun{page, size})
	}
	return runs
}

func (r pageRun) pages() int { return int(r.Size) / os.Getpagesize() }

func pagesIn(runs []pageRun) (pages int) {
	for _, run := range runs {
		pages += run.pages()
	}
	return pages
}

// mapping is a range of addresses that a process shares with nobody by intention, and what lies there.
type mapping struct {
	start, end uint64
	writable   bool
	// plain says that it may be written to and not run, and is no thread's stack.
	plain bool
	// path and offset are of the file that is mapped there; empty where there is none.
	path   string
	offset uint64
}

func mappingsOf(pid int) ([]mapping, error) {
	file, err := openAsOwner(procFile(pid, "maps"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	maps, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	return parseMappings(maps)
}

func parseMappings(maps []byte) ([]mapping, error) {
	var found []mapping
	lines := bufio.NewScanner(bytes.NewReader(maps))
	for lines.Scan() {
		var m mapping
		var mode, device, inode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s %x %s %s", &m.start, &m.end, &mode, &m.offset, &device, &inode); err != nil || len(mode) != 4 {
			return nil, fmt.Errorf("mapping %q: %w", lines.Text(), err)
		}
		if mode[0] != 'r' || mode[3] != 'p' {
			continue
		}
		m.writable = mode[1] == 'w'
		m.plain = mode == "rw-p" && !strings.HasSuffix(lines.Text(), "[stack]")
		if i := strings.IndexByte(lines.Text(), '/'); i >= 0 && inode != "0" {
			m.path = lines.Text()[i:]
		}
		found = append(found, m)
	}
	return found, lines.Err()
}

// Bits of an entry of /proc/pid/pagemap.
const (
	pagePresent   = 1 << 63
	pageOfFile    = 1 << 61 // or of shared memory
	pageExclusive = 1 << 56
)

// exclusivePages are the addresses of the anonymous pages within the mappings that only this process has mapped.
func exclusivePages(pid int, within []mapping) ([]uint64, error) {
	table, err := openAsOwner(procFile(pid, "pagemap"))
	if err != nil {
		return nil, err
	}
	defer table.Close()
	var pages []uint64
	for _, m := range within {
		own, err := pagesWith(table, m.start, m.end, pagePresent|pageExclusive, pageOfFile)
		if err != nil {
			return nil, err
		}
		pages = append(pages, own...)
	}
	return pages, nil
}

// pagesWith are the addresses of the pages from start to end whose entries in a process's page table have all bits of with, and none
// of without.
func pagesWith(table io.ReaderAt, start, end, with, without uint64) ([]uint64, error) {
	size := uint64(os.Getpagesize())
	entries := make([]byte, (end-start)/size*8)
	n, err := table.ReadAt(entries, int64(start/size*8))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("page table: %w", err)
	}
	var pages []uint64
	for i := 0; i+8 <= n; i += 8 {
		if entry := binary.NativeEndian.Uint64(entries[i:]); entry&with == with && entry&without == 0 {
			pages = append(pages, start+uint64(i/8)*size)
		}
	}
	return pages, nil
}

// hugePagesIn is where the whole huge pages from start to end begin and end; there is none where last is not beyond first.
func hugePagesIn(start, end uint64) (first, last uint64) {
	return (start + hugePage - 1) &^ (hugePage - 1), end &^ (hugePage - 1)
}
