package jobs

import (
	"fmt"
	"time"
)

// ending is how a job ends: its document and what is kept apart from it.
type ending struct {
	status   Status
	err      *Error
	finished time.Time
	doc      []byte
	apart    []any
	reserve  bool // it is small, and is to be written though Redis is full
}

// ending encodes an outcome.
func (h *handler) ending(c *claim, status Status, o *Outcome) (ending, error) {
	end := ending{status: status, err: o.Error, finished: c.started.Add(time.Since(c.obtained))}
	var err error
	end.doc, end.apart, err = encodeDocument(document(c, status, o, end.finished))
	if err == nil {
		return end, nil
	}
	h.log.Error("outcome is not JSON", "job", c.id, "error", err)
	o = &Outcome{Stdout: o.Stdout, Stderr: o.Stderr, Usage: o.Usage,
		Error: &Error{Code: Internal, Message: "the outcome could not be written"}}
	end.status, end.err = Failed, o.Error
	if end.doc, end.apart, err = encodeDocument(document(c, Failed, o, end.finished)); err != nil {
		return end, fmt.Errorf("job %s: encode outcome: %w", c.id, err)
	}
	return end, nil
}

// smallOutcome is how many bytes of an outcome have their room in any case, as finish.lua has it.
const smallOutcome = 16 << 10

// noRoom is what is kept of an outcome that there is no room for.
func noRoom(o *Outcome, bytes int) *Outcome {
	message := fmt.Sprintf("the script has run, and the service has no room to keep its outcome of %d bytes; "+
		"send it again later, or have it return and print less", bytes)
	return &Outcome{Usage: o.Usage, Error: &Error{Code: Internal, Message: message}}
}

// size is how much of Redis' memory the outcome takes.
func (e ending) size() int {
	n := len(e.doc)
	for i := 1; i < len(e.apart); i += 2 {
		switch v := e.apart[i].(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		}
	}
	return n
}
