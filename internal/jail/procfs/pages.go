package procfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// HugePage is the size of one.
const HugePage = 2 << 20

// PageRun is neighbouring pages of memory, in bytes.
type PageRun struct{ Address, Size uint64 }

// Runs joins neighbours. pages are addresses in ascending order.
func Runs(pages []uint64) []PageRun {
	var runs []PageRun
	size := uint64(os.Getpagesize())
	for _, page := range pages {
		if last := len(runs) - 1; last >= 0 && runs[last].Address+runs[last].Size == page {
			runs[last].Size += size
			continue
		}
		runs = append(runs, PageRun{page, size})
	}
	return runs
}

func (r PageRun) pages() int { return int(r.Size) / os.Getpagesize() }

func PagesIn(runs []PageRun) (pages int) {
	for _, run := range runs {
		pages += run.pages()
	}
	return pages
}

// Bits of an entry of /proc/pid/pagemap.
const (
	pagePresent   = 1 << 63
	pageOfFile    = 1 << 61 // or of shared memory
	pageExclusive = 1 << 56
)

// ExclusivePages are the addresses of the anonymous pages within the mappings that only this process has mapped.
func ExclusivePages(pid int, within []Mapping) ([]uint64, error) {
	table, err := OpenAsOwner(Path(pid, "pagemap"))
	if err != nil {
		return nil, err
	}
	defer table.Close()
	var pages []uint64
	for _, m := range within {
		own, err := pagesWith(table, m.Start, m.End, pagePresent|pageExclusive, pageOfFile)
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
	return (start + HugePage - 1) &^ (HugePage - 1), end &^ (HugePage - 1)
}
