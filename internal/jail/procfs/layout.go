package procfs

// leastUsed pages of a run must be in use for it to be worth moving.
const leastUsed = 2

// Scattered are the runs of a process's memory that are mostly in use: the whole huge pages there could be, one by one, and what lies
// between them and other things.
func Scattered(pid int) ([]PageRun, error) {
	all, err := Mappings(pid)
	if err != nil {
		return nil, err
	}
	table, err := OpenAsOwner(Path(pid, "pagemap"))
	if err != nil {
		return nil, err
	}
	defer table.Close()
	var runs []PageRun
	for _, run := range pieces(all) {
		used, err := pagesWith(table, run.Address, run.Address+run.Size, pagePresent, pageOfFile)
		if err != nil {
			return nil, err
		}
		if len(used) >= leastUsed && 2*len(used) >= run.pages() {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// pieces cuts the plain mappings where whole huge pages of one begin and end, and joins what is left of neighbours.
func pieces(all []Mapping) []PageRun {
	var found []PageRun
	open := false // the last one found can be joined
	add := func(start, end uint64) {
		last := len(found) - 1
		if open && found[last].Address+found[last].Size == start {
			found[last].Size += end - start
		} else if start < end {
			found = append(found, PageRun{start, end - start})
			open = true
		}
	}
	for _, m := range all {
		if !m.Plain {
			continue
		}
		first, last := hugePagesIn(m.Start, m.End)
		if first >= last {
			add(m.Start, m.End)
			continue
		}
		add(m.Start, first)
		for ; first < last; first += HugePage {
			open = false
			add(first, first+HugePage)
		}
		open = false
		add(last, m.End)
	}
	return found
}
