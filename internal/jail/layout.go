package jail

import (
	"bytes"
	"encoding/binary"

	"safepy/internal/jail/procfs"
)

// movedRuns is how many there can be in a message to the server.
const movedRuns = 1000

// useHugePages has the server move into huge pages what its memory could not make part of one, since it lies beside code, say. A host that
// does not allow to look has slower jobs, which profile says.
func (v *server) useHugePages() error {
	runs, _ := procfs.Scattered(v.pid)
	if _, err := v.control.Write(list(runs[:min(len(runs), movedRuns)])); err != nil {
		return v.broken("lay out memory of", err)
	}
	return nil
}

// list is runs as the server reads them.
func list(runs []procfs.PageRun) []byte {
	var message bytes.Buffer
	binary.Write(&message, binary.NativeEndian, runs)
	return message.Bytes()
}
