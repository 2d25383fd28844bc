package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	// largeBody is what everybody may send at any time. Beyond it a body needs one of the places for large ones, so that a
	// hundred of 10 MiB at once do not take the process's memory.
	largeBody   = 256 << 10
	largeBodies = 16
)

// boundBody keeps a body that no handler reads from being waited for without end: net/http reads it before it sends the answer.
func boundBody(c echo.Context) {
	if c.Request().ContentLength != 0 {
		// Where the connection has no deadlines (a test's recorder) a slow body is the caller's own.
		_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(paceOf(c).body))
	}
}

// readBody reads a request's body through a cap. The body counts as held until release.
func (s *Server) readBody(c echo.Context) (body []byte, release func(), err error) {
	return s.readBodyUpTo(c, s.o.Limits.RequestBytes)
}

// readBodyUpTo is readBody with another cap. A body that is announced as too long is refused before any of it is read.
func (s *Server) readBodyUpTo(c echo.Context, limit int64) (body []byte, release func(), err error) {
	r := c.Request()
	if enc := r.Header.Get(echo.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, nil, failure(http.StatusUnsupportedMediaType, codeUnsupported, "The request body is encoded as %q; send it as plain JSON, without Content-Encoding", cut(enc, 32))
	}
	if r.ContentLength > limit {
		return nil, nil, bodyTooLarge(limit)
	}
	control := http.NewResponseController(c.Response())
	over := time.Now().Add(paceOf(c).body)
	_ = control.SetReadDeadline(over)

	var b bytes.Buffer
	in := http.MaxBytesReader(c.Response().Writer, r.Body, limit)
	release = func() {}
	_, err = io.CopyN(&b, in, largeBody)
	if err == nil {
		release, err = s.readLarge(c, &b, in, over)
	}
	if err != nil && err != io.EOF {
		return nil, nil, bodyError(c, err, limit)
	}
	// A read deadline left standing would end the request's context while it waits for its job.
	_ = control.SetReadDeadline(time.Time{})
	return b.Bytes(), release, nil
}

// readLarge reads the rest of a large body, in one of the places for those. It ends with io.EOF.
func (s *Server) readLarge(c echo.Context, b *bytes.Buffer, in io.Reader, over time.Time) (release func(), err error) {
	allowed, control := paceOf(c), http.NewResponseController(c.Response())
	ctx, stop := context.WithTimeout(c.Request().Context(), queuePatience)
	defer stop()
	place := s.large.take(ctx, s.sender(c), func() { _ = control.SetReadDeadline(time.Now()) })
	if place == nil {
		e := failure(http.StatusServiceUnavailable, codeQueueFull, "Too many large requests are being received; try again later")
		e.retryAfter, e.closes = time.Second, true
		return nil, e
	}
	if rest := c.Request().ContentLength - largeBody; rest > 0 {
		b.Grow(int(rest) + bytes.MinRead)
	}
	for err == nil {
		_ = control.SetReadDeadline(allowed.deadline(over))
		if place.evicted.Load() {
			// Whoever wanted this place may have said so before the line above.
			_ = control.SetReadDeadline(time.Now())
		}
		_, err = io.CopyN(b, counted{in, &place.came}, pieceBytes)
	}
	release = func() { s.large.give(place) }
	s.large.settle(place)
	switch {
	case place.evicted.Load():
		err = tooSlow("The request body came too slowly while others waited to send theirs; send it faster, or at most %d bytes", largeBody)
	case timedOut(err) && time.Now().Before(over):
		err = tooSlow("The request body came slower than %d bytes in %v; send it faster, or at most %d bytes", pieceBytes, allowed.piece, largeBody)
	}
	if err != io.EOF {
		release()
	}
	return release, err
}

// counted counts what is read from it.
type counted struct {
	io.Reader
	bytes *atomic.Int64
}

func (r counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.bytes.Add(int64(n))
	return n, err
}

// bodyError words why a body could not be read.
func bodyError(c echo.Context, err error, limit int64) error {
	if _, own := errors.AsType[*httpError](err); own {
		return err
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return bodyTooLarge(limit)
	}
	e := failure(http.StatusBadRequest, codeInvalidRequest, "The request body broke off or is framed wrongly; check Content-Length or the chunks, and send it again")
	if timedOut(err) {
		e = tooSlow("The request body did not arrive within %v; send it faster, or send less", paceOf(c).body)
	}
	e.closes, e.cause = true, err
	return e
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func tooSlow(format string, args ...any) *httpError {
	e := failure(http.StatusRequestTimeout, codeRequestTimeout, format, args...)
	e.closes = true
	return e
}

func bodyTooLarge(limit int64) error {
	return tooLarge("The request body is longer than the %d bytes that are accepted; send less", limit)
}

// aboutContentType adds to the complaint about a body that is no JSON what the client said it was. The type alone is never a
// reason to refuse: curl -d calls JSON application/x-www-form-urlencoded unless told otherwise.
func aboutContentType(err error, r *http.Request) error {
	e, ok := errors.AsType[*httpError](err)
	if !ok || !strings.HasPrefix(e.body.Error, "Invalid JSON") && !strings.HasPrefix(e.body.Error, "The request body") {
		return err
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if kind == "" || kind == echo.MIMEApplicationJSON || strings.HasSuffix(kind, "+json") {
		return err
	}
	e.body.Error += "; the request says it is " + cut(kind, 64) + ", and JSON is what is needed, such as " + example
	return e
}
