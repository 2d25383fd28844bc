package procfs

// TextSegment is a piece of a program or library, code and constants, of a huge page's size: a file and an offset in it, a multiple of that
// size.
type TextSegment struct {
	Path   string
	Offset uint64
}

// MappedText is a text segment in a process's memory.
type MappedText struct {
	TextSegment
	Address uint64
}

// TextsIn are the whole huge pages of code and constants among a process's mappings. Only those that lie in their file as they lie in
// memory: for others no two servers would have one in common.
func TextsIn(mappings []Mapping) []MappedText {
	var found []MappedText
	for i := 0; i < len(mappings); {
		first, end := mappings[i], mappings[i].End
		for i++; i < len(mappings) && mappings[i].follows(first, end); i++ {
			end = mappings[i].End
		}
		if first.Path == "" || first.Writable {
			continue
		}
		for address, last := hugePagesIn(first.Start, end); address < last; address += HugePage {
			if offset := first.Offset + address - first.Start; offset%HugePage == 0 {
				found = append(found, MappedText{TextSegment{first.Path, offset}, address})
			}
		}
	}
	return found
}

// follows reports whether m is where the file of first goes on behind end.
func (m Mapping) follows(first Mapping, end uint64) bool {
	return m.Start == end && m.Path == first.Path && m.Writable == first.Writable && m.Offset == first.Offset+end-first.Start
}

// UsedTexts are those of which the process has found some pages, more than two faults bring.
func UsedTexts(pid int, all []MappedText) ([]MappedText, error) {
	table, err := OpenAsOwner(Path(pid, "pagemap"))
	if err != nil {
		return nil, err
	}
	defer table.Close()
	var used []MappedText
	for _, at := range all {
		found, err := pagesWith(table, at.Address, at.Address+HugePage, pagePresent|pageOfFile, 0)
		if err != nil {
			return nil, err
		}
		if len(found) > 32 {
			used = append(used, at)
		}
	}
	return used, nil
}
