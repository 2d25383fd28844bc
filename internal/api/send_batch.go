package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"safepy/internal/jobs"
)

// readAtOnce is how many jobs of a batch are looked up together: each may be megabytes, and no more of them than these are in memory.
const readAtOnce = 4

// sendBatch writes a batch's answer as it goes along, since its jobs may be long together.
func (s *Server) sendBatch(c echo.Context, status int, places []placed) error {
	w := &documentWriter{c: c, status: status, allowed: paceOf(c)}
	w.b = append(w.b, `{"jobs":[`...)
	for i := range places {
		if places[i].job == nil && places[i].refusal == nil {
			s.lookUp(c, places[i:])
		}
		var document any = places[i].job
		if r := places[i].refusal; r != nil {
			document = r.body
		}
		if i > 0 {
			w.b = append(w.b, ',')
		}
		if err := w.add(document); err != nil {
			return err
		}
		places[i] = placed{} // it may be long
	}
	w.b = append(w.b, "]}\n"...)
	return w.end()
}

// lookUp reads the next few jobs of which only the id is known.
func (s *Server) lookUp(c echo.Context, places []placed) {
	var ids []string
	var which []*placed
	for i := range places {
		if p := &places[i]; p.job == nil && p.refusal == nil {
			ids, which = append(ids, p.id), append(which, p)
		}
		if len(ids) == readAtOnce {
			break
		}
	}
	found, err := s.queue.Find(c.Request().Context(), ids)
	for i, p := range which {
		switch {
		case err != nil:
			p.refusal = answer(err, c)
		case found[i] == nil:
			p.refusal = answer(jobs.ErrNotFound, c)
		default:
			p.job = found[i]
		}
	}
}

// documentWriter sends a JSON document in pieces. One that is short goes out as any other, with its length.
type documentWriter struct {
	c       echo.Context
	status  int
	allowed pace
	b       []byte
	begun   bool
}

// add appends a value, and sends what has come together. A failure before anything was sent is an answer of its own.
func (w *documentWriter) add(document any) (err error) {
	if w.b, err = encodeDocument(w.b, document); err != nil {
		return err
	}
	w.b = w.b[:len(w.b)-1] // the line end
	if len(w.b) < pieceBytes {
		return nil
	}
	return w.send()
}

func (w *documentWriter) end() error {
	if !w.begun {
		w.c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(w.b)))
	}
	return w.send()
}

// send has for what has come together the time that an answer of that alone would have.
func (w *documentWriter) send() (err error) {
	if !w.begun {
		setDocumentHeaders(w.c.Response().Header())
	}
	over := time.Now().Add(w.allowed.send)
	control := http.NewResponseController(w.c.Response())
	_ = control.SetWriteDeadline(w.allowed.deadline(over))
	if !w.begun {
		w.begun = true
		w.c.Response().WriteHeader(w.status)
	}
	err = writePieces(w.c, w.b, w.allowed, over)
	w.b = w.b[:0]
	return err
}
