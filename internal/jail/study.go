package jail

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
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
// fault and a copy, and has the server pin them, so that from now on the fork copies them by itself. A host that does not allow it
// has slower jobs, which is said and no reason not to start.
func (v *server) study(log *slog.Logger) error {
	runs, err := v.written()
	if err != nil {
		if !v.alive() {
			return v.broken("study", err)
		}
		log.Warn("which pages jobs write to cannot be found out: each job has to copy them one by one", "error", err)
	}
	var list bytes.Buffer
	binary.Write(&list, binary.NativeEndian, runs[:min(len(runs), pinnedRuns)])
	for _, message := range [][]byte{[]byte("pin"), list.Bytes()} {
		if _, err := v.control.Write(message); err != nil {
			return v.broken("study", err)
		}
	}
	select {
	case e, ok := <-v.events:
		if !ok || e.Pinned == nil {
			return v.broken("study", errLost)
		}
		if e.Why != "" {
			log.Info("pages cannot be pinned here: each job has to copy what it writes to one by one", "because", e.Why)
		}
		v.pinned = *e.Pinned
		return nil
	case <-time.After(startTimeout):
		return errors.New("the jail did not pin its pages in time")
	}
}

// written are the pages that the first child writes to when it has the studied job, and the server from one child to the next. Until
// it is told what to pin the server shares its memory with a shadow: what nobody has written to is theirs together.
func (v *server) written() ([]pageRun, error) {
	own, err := writableMappings(v.pid)
	if err != nil {
		return nil, err
	}
	var pages []uint64
	look := func(pid int) (err error) {
		found, err := exclusivePages(pid, own)
		pages = append(pages, found...)
		return err
	}
	if err := v.studyChild(func() error { return look(v.jobPID()) }); err != nil {
		return nil, err
	}
	if err := v.firstChild(); err != nil {
		return nil, err
	}
	if err := look(v.pid); err != nil {
		return nil, err
	}
	v.next.close() // which ends it
	v.next = nil
	if err := v.settle(); err != nil {
		return nil, err
	}
	slices.Sort(pages)
	return runsOf(slices.Compact(pages)), nil
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
	select {
	case <-c.result.done:
	case <-v.exited:
		return errLost
	case <-time.After(startTimeout):
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

// pinnedRuns is how many of them there can be in a message to the server.
const pinnedRuns = 4000

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

// mapping is a range of addresses.
type mapping struct{ start, end uint64 }

// writableMappings are what a process may write to and shares with nobody by intention.
func writableMappings(pid int) ([]mapping, error) {
	maps, err := os.ReadFile(procFile(pid, "maps"))
	if err != nil {
		return nil, err
	}
	return parseMappings(maps)
}

func parseMappings(maps []byte) ([]mapping, error) {
	var found []mapping
	lines := bufio.NewScanner(bytes.NewReader(maps))
	for lines.Scan() {
		addresses, rest, _ := strings.Cut(lines.Text(), " ")
		if !strings.HasPrefix(rest, "rw") || len(rest) < 4 || rest[3] != 'p' {
			continue
		}
		var m mapping
		if _, err := fmt.Sscanf(addresses, "%x-%x", &m.start, &m.end); err != nil {
			return nil, fmt.Errorf("mapping %q: %w", lines.Text(), err)
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
	table, err := os.Open(procFile(pid, "pagemap"))
	if err != nil {
		return nil, err
	}
	defer table.Close()
	size := uint64(os.Getpagesize())
	var pages []uint64
	for _, m := range within {
		entries := make([]byte, (m.end-m.start)/size*8)
		n, err := table.ReadAt(entries, int64(m.start/size*8))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("pages of %d: %w", pid, err)
		}
		for i := 0; i+8 <= n; i += 8 {
			entry := binary.NativeEndian.Uint64(entries[i:])
			if entry&pagePresent != 0 && entry&pageExclusive != 0 && entry&pageOfFile == 0 {
				pages = append(pages, m.start+uint64(i/8)*size)
			}
		}
	}
	return pages, nil
}
