package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// bodyPatience is how long a client may take to send its body: 10 MiB over a slow line, but not for ever.
const bodyPatience = time.Minute

// readBody reads a request's body through a cap. A body that is announced as too long is refused before any of it is read.
func (s *Server) readBody(c echo.Context) ([]byte, error) {
	r, limit := c.Request(), s.o.Limits.RequestBytes
	if enc := r.Header.Get(echo.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, failure(http.StatusUnsupportedMediaType, codeUnsupported, "The request body is encoded as %q; send it as plain JSON, without Content-Encoding", cut(enc, 32))
	}
	if r.ContentLength > limit {
		return nil, bodyTooLarge(limit)
	}
	deadline := http.NewResponseController(c.Response())
	// Where the connection has no deadlines (a test's recorder) a slow body is the caller's own.
	_ = deadline.SetReadDeadline(time.Now().Add(bodyPatience))
	body, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, limit))
	// A read deadline left standing would end the request's context while it waits for its job.
	_ = deadline.SetReadDeadline(time.Time{})
	if err == nil {
		return body, nil
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, bodyTooLarge(limit)
	}
	e := failure(http.StatusBadRequest, codeInvalidRequest, "The request body broke off or is framed wrongly; check Content-Length or the chunks, and send it again")
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		e = failure(http.StatusRequestTimeout, codeRequestTimeout, "The request body did not arrive within %v; send it faster, or send less", bodyPatience)
	}
	e.closes, e.cause = true, err
	return nil, e
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
