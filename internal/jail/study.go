package jail

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// studied is the job that shows what a job writes to: it does what rehearsals do and says something.
const studied = `from runner import rehearse


def main():
    for step in (*rehearse.steps(), *rehearse.deeper_steps()):
        step()
    print("studied", 1.5, ["x"])
    return {"studied": [1, 2.5, None, "x"]}
`

// study has the first child run a job, looks which pages it and the server have written since the fork, each of which was a page
// fault and a copy, and has the server pin them, so that from now on the fork copies them by itself; and it shares the code that the
// job ran. A host that does not allow it has slower jobs, which is said and no reason not to start.
func (v *server) study(p *plan) error {
	seen, err := v.observe()
	if err != nil {
		if !v.alive() {
			return v.broken("study", err)
		}
		p.unstudied.Do(func() {
			p.log.Warn("which pages jobs use cannot be found out, so each job finds and copies them one by one and is slower", "error", err)
		})
	}
	for _, at := range seen.texts[:min(len(seen.texts), sharedTexts)] {
		if file := p.texts.of(at.textPlace); file != nil {
			if err := v.share(file, at.address); err != nil {
				return err
			}
		}
	}
	var list bytes.Buffer
	binary.Write(&list, binary.NativeEndian, seen.written[:min(len(seen.written), pinnedRuns)])
	for _, message := range [][]byte{[]byte("pin"), list.Bytes()} {
		if _, err := v.control.Write(message); err != nil {
			return v.broken("study", err)
		}
	}
	e, inTime := within(startTimeout, v.events) // with nothing in it when the server is gone
	switch {
	case !inTime:
		return errors.New("the jail did not pin its pages in time")
	case e.Pinned == nil:
		return v.broken("study", errLost)
	}
	if e.Why != "" {
		p.unpinned.Do(func() {
			p.log.Info("pages cannot be pinned here, so each job copies what it writes to one by one and is slower; README, Performance, says"+
				" what it takes", "because", e.Why)
		})
	}
	v.pinned, v.shared = *e.Pinned, e.Shared
	return nil
}

// studied pages: those that the first child writes to when it has the studied job, and the server from one child to the next; and
// the huge pages of code that the child runs.
type studiedPages struct {
	written []pageRun
	texts   []textAt
}

// pinnedRuns is how many runs of pages there can be in a message to the server; sharedTexts is how many texts a server is given.
const (
	pinnedRuns  = 4000
	sharedTexts = 8
)

// observe sees one child to its end and waits for the next. Until it is told what to pin the server shares its memory with a shadow:
// what nobody has written to is theirs together.
func (v *server) observe() (studiedPages, error) {
	var seen studiedPages
	all, err := mappingsOf(v.pid)
	if err != nil {
		return seen, err
	}
	own := slices.DeleteFunc(slices.Clone(all), func(m mapping) bool { return !m.writable })
	var pages []uint64
	err = v.studyChild(func() (err error) {
		if pages, err = exclusivePages(v.jobPID(), own); err != nil {
			return err
		}
		seen.texts, err = usedTexts(v.jobPID(), textsIn(all))
		return err
	})
	if err != nil {
		return studiedPages{}, err
	}
	err = v.firstChild()
	var servers []uint64
	if err == nil {
		servers, err = exclusivePages(v.pid, own)
	}
	if v.next != nil { // whatever has become of it: the server takes no other order meanwhile
		v.next.close() // which ends it
		v.next = nil
		err = errors.Join(err, v.settle())
	}
	if err != nil {
		return studiedPages{}, err
	}
	pages = append(pages, servers...)
	slices.Sort(pages)
	seen.written = runsOf(slices.Compact(pages))
	return seen, nil
}

// studyChild gives the child that waits the studied job, calls look when it has answered and is still there, and sees it to its end.
func (v *server) studyChild(look func() error) error {
	c := v.next
	v.next = nil
	defer c.close()
	unlimited := Limits{Timeout: startTimeout}
	payload, err := encodeOrder(Job{Script: studied}, unlimited)
	if err != nil {
		return err
	}
	c.job.send(payload)
	c.stdin.end()
	if _, inTime := within(startTimeout, c.result.done); !inTime { // it ends with its jail, too
		return errors.New("the studied job did not end")
	}
	if o, ok := parse(c.result.bytes(), v.limits); !ok || o.Failure != nil {
		err = fmt.Errorf("the studied job failed: %.500q", c.result.bytes())
	} else {
		err = look()
	}
	c.job.close()
	return errors.Join(err, v.settle())
}

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

// mapping is a range of addresses that a process shares with nobody by intention, and what lies there.
type mapping struct {
	start, end uint64
	writable   bool
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
		err := eachPage(table, m, func(address, entry uint64) {
			if entry&pagePresent != 0 && entry&pageExclusive != 0 && entry&pageOfFile == 0 {
				pages = append(pages, address)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// usedTexts are those of which the process has found some pages, more than two faults bring.
func usedTexts(pid int, all []textAt) ([]textAt, error) {
	table, err := openAsOwner(procFile(pid, "pagemap"))
	if err != nil {
		return nil, err
	}
	defer table.Close()
	var used []textAt
	for _, at := range all {
		count := 0
		err := eachPage(table, mapping{start: at.address, end: at.address + hugePage}, func(_, entry uint64) {
			if entry&pagePresent != 0 && entry&pageOfFile != 0 {
				count++
			}
		})
		if err != nil {
			return nil, err
		}
		if count > 32 {
			used = append(used, at)
		}
	}
	return used, nil
}

// eachPage calls visit with the address and the entry in a process's page table of each page of a mapping.
func eachPage(table io.ReaderAt, m mapping, visit func(address, entry uint64)) error {
	size := uint64(os.Getpagesize())
	entries := make([]byte, (m.end-m.start)/size*8)
	n, err := table.ReadAt(entries, int64(m.start/size*8))
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("page table: %w", err)
	}
	for i := 0; i+8 <= n; i += 8 {
		visit(m.start+uint64(i/8)*size, binary.NativeEndian.Uint64(entries[i:]))
	}
	return nil
}
