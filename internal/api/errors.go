package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"safepy/internal/jobs"
)

// The codes of errors that are the request's or the service's and not a script's; those are jobs.Code. The list is closed.
const (
	codeInvalidRequest   = "invalid_request"
	codeUnauthorized     = "unauthorized"
	codeForbiddenHost    = "forbidden_host"
	codeForbiddenOrigin  = "forbidden_origin"
	codeNotFound         = "not_found"
	codeMethodNotAllowed = "method_not_allowed"
	codeRequestTimeout   = "request_timeout"
	codeIdempotency      = "idempotency_mismatch"
	codeCanceled         = "canceled"
	codeTooLarge         = "too_large"
	codeUnsupported      = "unsupported_encoding"
	codeRateLimited      = "rate_limited"
	codeQueueFull        = "queue_full"
	codeUnavailable      = "unavailable"
	codeNotReady         = "not_ready"
	codeInternal         = string(jobs.Internal)
)

// statusClientGone is for a client that did not wait. Only one that has closed its sending side alone will read it.
const statusClientGone = 499

// errorBody is the body of every answer that is not a success.
type errorBody struct {
	Error string `json:"error"`
	Code  string `json:"code,omitempty"`
	// What follows is there when a script ran.
	Limit      jobs.TimeLimit `json:"limit,omitempty"`
	Type       string         `json:"type,omitempty"`
	Line       int            `json:"line,omitempty"`
	SourceLine string         `json:"source_line,omitempty"`
	Traceback  string         `json:"traceback,omitempty"`
	Stdout     string         `json:"stdout,omitempty"`
	Stderr     string         `json:"stderr,omitempty"`
	// ExitCode is there in mode program alone.
	ExitCode *int `json:"exit_code,omitempty"`
}

// httpError is an error with the answer it asks for.
type httpError struct {
	status int
	body   errorBody
	// retryAfter is sent when positive.
	retryAfter time.Duration
	// closes says that the connection holds the rest of a body nobody will read.
	closes bool
	// cause is for the log alone.
	cause error
}

func (e *httpError) Error() string {
	if e.cause != nil {
		return e.body.Error + ": " + e.cause.Error()
	}
	return e.body.Error
}

func (e *httpError) Unwrap() error { return e.cause }

func failure(status int, code, format string, args ...any) *httpError {
	return &httpError{status: status, body: errorBody{Error: fmt.Sprintf(format, args...), Code: code}}
}

func badRequest(format string, args ...any) error {
	return failure(http.StatusBadRequest, codeInvalidRequest, format, args...)
}

func tooLarge(format string, args ...any) error {
	e := failure(http.StatusRequestEntityTooLarge, codeTooLarge, format, args...)
	e.closes = true
	return e
}

// beforeBody is an error that is answered before anything of the request's body is read.
func beforeBody(r *http.Request, e *httpError) *httpError {
	e.closes = r.ContentLength != 0
	return e
}

// answer is the one place where errors become HTTP.
func answer(err error, c echo.Context) *httpError {
	if own, ok := errors.AsType[*httpError](err); ok {
		return own
	}
	if busy, ok := errors.AsType[*jobs.BusyError](err); ok {
		return busyAnswer(busy)
	}
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		return echoAnswer(he, c)
	}
	var e *httpError
	switch {
	case c.Request().Context().Err() != nil:
		e = failure(statusClientGone, "", "The client closed the connection, or its sending side, before the answer was there; keep it open until then")
	case errors.Is(err, jobs.ErrNotFound):
		e = failure(http.StatusNotFound, codeNotFound, "There is no such job: the id is wrong, or the job is older than the service keeps results")
	case errors.Is(err, jobs.ErrBadCursor):
		e = failure(http.StatusBadRequest, codeInvalidRequest, "cursor is not one that this service gave; take next_cursor from the page before, or leave it out")
	case errors.Is(err, jobs.ErrIdempotencyMismatch):
		e = failure(http.StatusConflict, codeIdempotency, "This Idempotency-Key was used with a different request; send a new key with a new request")
	case unavailable(err):
		e = failure(http.StatusServiceUnavailable, codeUnavailable, "The service cannot reach its queue at the moment; try again in a few seconds")
		e.retryAfter = 2 * time.Second
	default:
		e = failure(http.StatusInternalServerError, codeInternal, "The service failed to answer; its log has the cause under request id %s", requestID(c))
	}
	e.cause = err
	return e
}

// unavailable reports whether the queue did not answer, or not in time.
func unavailable(err error) bool {
	return errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}

func busyAnswer(busy *jobs.BusyError) *httpError {
	e := failure(http.StatusServiceUnavailable, codeQueueFull, "The service has as many jobs waiting as it takes; try again later")
	switch busy.Scope {
	case "share":
		e.body.Error = "Your jobs fill your share of the queue; wait for some of them to finish, or try again later"
	case "bytes":
		e.body.Error = "The jobs that wait are as long together as the service takes; send less, or try again later"
	case "memory":
		e.body.Error = "The service's store is full; try again later, when results have expired"
	case "key":
		e = failure(http.StatusTooManyRequests, codeRateLimited, "This key has reached its limit; wait for its jobs to finish, or try again later")
	}
	e.retryAfter, e.cause = max(busy.RetryAfter, time.Second), busy
	return e
}

// echoAnswer words what the router refuses.
func echoAnswer(he *echo.HTTPError, c echo.Context) *httpError {
	r := c.Request()
	switch he.Code {
	case http.StatusNotFound:
		return failure(he.Code, codeNotFound, "There is no %s here; scripts go to POST /execute or POST /jobs", shown(r.URL.Path, 64))
	case http.StatusMethodNotAllowed:
		return failure(he.Code, codeMethodNotAllowed, "%s does not take %s; use %s", shown(r.URL.Path, 64), shown(r.Method, 16), c.Response().Header().Get(echo.HeaderAllow))
	}
	if he.Code >= http.StatusInternalServerError {
		e := failure(he.Code, codeInternal, "The service failed to answer; its log has the cause under request id %s", requestID(c))
		e.cause = he
		return e
	}
	return failure(he.Code, codeInvalidRequest, "%s", shown(fmt.Sprint(he.Message), 256))
}

// sendError writes an error's answer; it is echo's error handler.
func (s *Server) sendError(err error, c echo.Context) {
	if c.Response().Committed {
		// Half an answer is on its way: there is nothing to add to it that the client could understand.
		s.o.Log.WarnContext(c.Request().Context(), "answer broken off", "request_id", requestID(c), "error", err)
		return
	}
	e := answer(err, c)
	c.Set(contextCause, e.cause)
	h := c.Response().Header()
	if e.retryAfter > 0 {
		h.Set(echo.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(e.retryAfter.Seconds()))))
	}
	if e.closes {
		h.Set(echo.HeaderConnection, "close")
	}
	if e.status == http.StatusUnauthorized {
		h.Set(echo.HeaderWWWAuthenticate, `Bearer realm="safepy"`)
	}
	if err := send(c, e.status, e.body); err != nil {
		c.Set(contextCause, fmt.Errorf("answer not sent: %w", err))
	}
}
