package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"safepy/internal/jobs"
)

const (
	eventStream = "text/event-stream"
	// eventIdle is how often a stream says that it is still there, for whoever ends connections on which nothing happens.
	eventIdle = 15 * time.Second
	// eventSend is how long a reader may take to take one event. One that is slower is cut off, and may go on where it was.
	eventSend = 60 * time.Second
	// lastEventID is that of a stream's end: there is nothing behind it.
	lastEventID = "end"
)

// wantsEvents reports whether the client asks for a stream in place of a document.
func wantsEvents(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		for kind := range strings.SplitSeq(accept, ",") {
			kind, _, _ = strings.Cut(kind, ";")
			if strings.EqualFold(strings.TrimSpace(kind), eventStream) {
				return true
			}
		}
	}
	return false
}

// events streams what happens to a job until its end.
func (s *Server) events(c echo.Context) error {
	id := c.Request().Header.Get("Last-Event-ID")
	if id == "" {
		id, _ = param(c, "last_event_id")
	}
	var from jobs.Position
	if id != "" && id != lastEventID {
		var ok bool
		if from, ok = jobs.ParsePosition(id); !ok {
			return badRequest("Last-Event-ID %q is not the id of an event of this service; leave it out to have all of them", cut(id, 64))
		}
	}
	job, err := s.owned(c)
	if err != nil {
		return err
	}
	if id == lastEventID {
		return c.NoContent(http.StatusNoContent) // by which a browser's EventSource asks no more
	}
	return s.stream(c, job, from, false)
}

// stream follows a job. cancelOnDisconnect ends it when the client goes away.
func (s *Server) stream(c echo.Context, job *jobs.Job, from jobs.Position, cancelOnDisconnect bool) error {
	request := c.Request().Context()
	ctx, stop := s.untilStopping(request) // then the client connects to another, and goes on there
	defer stop()
	e := &eventWriter{response: c.Response(), control: http.NewResponseController(c.Response())}
	if err := e.begin(); err != nil {
		return nil // the client is gone
	}
	text := func(event string) func(jobs.Position, string) error {
		return func(p jobs.Position, s string) error {
			b := appendString([]byte(`{"text":`), s)
			return e.send(p.String(), event, append(b, '}'))
		}
	}
	ended, err := s.queue.Follow(ctx, job.ID, from, jobs.Follower{
		Status: func(p jobs.Position, j *jobs.Job) error {
			return e.document(p.String(), "status", eventStatus{ID: j.ID, Status: j.Status, Attempts: j.Attempts})
		},
		Stdout: text("stdout"), Stderr: text("stderr"),
		Case:  func(p jobs.Position, c json.RawMessage) error { return e.send(p.String(), "case", c) },
		Idle:  e.comment,
		Every: eventIdle,
	})
	switch {
	case err == nil:
		err = e.document(lastEventID, "end", ended)
	case request.Err() != nil && cancelOnDisconnect:
		s.cancelAbandoned(request, job.ID)
	}
	if err != nil && request.Err() == nil && ctx.Err() == nil {
		s.o.Log.WarnContext(request, "event stream broken off", "job", job.ID, "error", err)
	}
	return nil // the answer is under way: nothing else can be said
}

// eventStatus is the data of a status event.
type eventStatus struct {
	ID       string      `json:"id"`
	Status   jobs.Status `json:"status"`
	Attempts int         `json:"attempts"`
}

// eventWriter writes server-sent events.
type eventWriter struct {
	response *echo.Response
	control  *http.ResponseController
}

func (e *eventWriter) begin() error {
	h := e.response.Header()
	h.Set(echo.HeaderContentType, eventStream)
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set("X-Accel-Buffering", "no") // a proxy is to hand on each event at once
	e.response.WriteHeader(http.StatusOK)
	return e.write([]byte("retry: 1000\n\n"))
}

func (e *eventWriter) document(id, event string, document any) error {
	data, err := encodeDocument(nil, document)
	if err != nil {
		return err
	}
	return e.send(id, event, data[:len(data)-1])
}

// send writes one event. data is JSON on one line.
func (e *eventWriter) send(id, event string, data []byte) error {
	b := fmt.Appendf(make([]byte, 0, len(data)+64), "id: %s\nevent: %s\ndata: ", id, event)
	return e.write(append(append(b, data...), '\n', '\n'))
}

func (e *eventWriter) comment() error { return e.write([]byte(":\n\n")) }

func (e *eventWriter) write(b []byte) error {
	_ = e.control.SetWriteDeadline(time.Now().Add(eventSend))
	if _, err := e.response.Write(b); err != nil {
		return err
	}
	return e.control.Flush()
}
