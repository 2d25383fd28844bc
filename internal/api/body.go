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
	"time"

	"github.com/labstack/echo/v4"
)

// bodyPatience is how long a client may take to send its body: 10 MiB over a slow line, but not for ever.
const bodyPatience = time.Minute

const (
	// largeBody is what everybody may send at any time. Beyond it a body needs one of the places for large ones, so that a
	// hundred of 10 MiB at once do not take the process's memory.
	largeBody   = 256 << 10
	largeBodies = 16
)

// readBody reads a request's body through a cap. A body that is announced as too long is refused before any of it is read.
// The body counts as held until release.
func (s *Server) readBody(c echo.Context) (body []byte, release func(), err error) {
	r, limit := c.Request(), s.o.Limits.RequestBytes
	if enc := r.Header.Get(echo.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, nil, failure(http.StatusUnsupportedMediaType, codeUnsupported, "The request body is encoded as %q; send it as plain JSON, without Content-Encoding", cut(enc, 32))
	}
	if r.ContentLength > limit {
		return nil, nil, bodyTooLarge(limit)
	}
	deadline := http.NewResponseController(c.Response())
	// Where the connection has no deadlines (a test's recorder) a slow body is the caller's own.
	_ = deadline.SetReadDeadline(time.Now().Add(bodyPatience))
	// A read deadline left standing would end the request's context while it waits for its job.
	defer func() { _ = deadline.SetReadDeadline(time.Time{}) }()

	var b bytes.Buffer
	in := http.MaxBytesReader(c.Response().Writer, r.Body, limit)
	if _, err := io.CopyN(&b, in, largeBody); err == io.EOF {
		return b.Bytes(), func() {}, nil
	} else if err != nil {
		return nil, nil, bodyError(err, limit)
	}
	if err := s.takePlace(r.Context()); err != nil {
		return nil, nil, err
	}
	release = func() { <-s.large }
	if rest := r.ContentLength - largeBody; rest > 0 {
		b.Grow(int(rest) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(in); err != nil {
		release()
		return nil, nil, bodyError(err, limit)
	}
	return b.Bytes(), release, nil
}

// takePlace waits for one of the places for large bodies.
func (s *Server) takePlace(ctx context.Context) error {
	over := time.NewTimer(queuePatience)
	defer over.Stop()
	select {
	case s.large <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-over.C:
	}
	e := failure(http.StatusServiceUnavailable, codeQueueFull, "Too many large requests are being received; try again later")
	e.retryAfter, e.closes = time.Second, true
	return e
}

// bodyError words why a body could not be read.
func bodyError(err error, limit int64) error {
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return bodyTooLarge(limit)
	}
	e := failure(http.StatusBadRequest, codeInvalidRequest, "The request body broke off or is framed wrongly; check Content-Length or the chunks, and send it again")
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		e = failure(http.StatusRequestTimeout, codeRequestTimeout, "The request body did not arrive within %v; send it faster, or send less", bodyPatience)
	}
	e.closes, e.cause = true, err
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
