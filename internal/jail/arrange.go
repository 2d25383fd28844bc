package jail

import (
	"bytes"
	"encoding/binary"
)

// A run of less than leastMoved pages in use is left where it is; movedRuns is how many there can be in a message to the server.
const leastMoved, movedRuns = 2, 1000

// arrange has the server move into huge pages what its memory could not make part of one, since it lies beside code, say. A host that
// does not allow to look has slower jobs, which study says.
func (v *server) arrange() error {
	runs, _ := scattered(v.pid)
	if _, err := v.control.Write(list(runs[:min(len(runs), movedRuns)])); err != nil {
		return v.broken("arrange", err)
	}
	return nil
}

// list is runs as the server reads them.
func list(runs []pageRun) []byte {
	var message bytes.Buffer
	binary.Write(&message, binary.NativeEndian, runs)
	return message.Bytes()
}

// scattered are the runs of a process's memory that are mostly in use: the whole huge pages there could be, one by one, and what lies
// between them and other things.
func scattered(pid int) ([]pageRun, error) {
	all, err := mappingsOf(pid)
	if err != nil {
		return nil, err
	}
	table, err := openAsOwner(procFile(pid, "pagemap"))
	if err != nil {
		return nil, err
	}
	defer table.Close()
	var runs []pageRun
	for _, run := range pieces(all) {
		used, err := pagesWith(table, run.Address, run.Address+run.Size, pagePresent, pageOfFile)
		if err != nil {
			return nil, err
		}
		if len(used) >= leastMoved && 2*len(used) >= run.pages() {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// pieces cuts the plain mappings where whole huge pages of one begin and end, and joins what is left of neighbours.
func pieces(all []mapping) []pageRun {
	var found []pageRun
	open := false // the last one found can be joined
	add := func(start, end uint64) {
		last := len(found) - 1
		if open && found[last].Address+found[last].Size == start {
			found[last].Size += end - start
		} else if start < end {
			found = append(found, pageRun{start, end - start})
			open = true
		}
	}
	for _, m := range all {
		if !m.plain {
			continue
		}
		first, last := hugePagesIn(m.start, m.end)
		if first >= last {
			add(m.start, m.end)
			continue
		}
		add(m.start, first)
		for ; first < last; first += hugePage {
			open = false
			add(first, first+hugePage)
		}
		open = false
		add(last, m.end)
	}
	return found
}
