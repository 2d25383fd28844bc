package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// observe gives a request its id, counts it and logs it. It stands outermost, so that it sees what was really answered.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		r := c.Request()
		id := r.Header.Get(echo.HeaderXRequestID)
		if !plausibleID(id) {
			id = uuid.NewString()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		// The answer before this one on the same connection may have left its write deadline behind.
		_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Time{})
		c.Set(contextPace, s.pace)
		boundBody(c)

		defer s.metrics.begin()()
		if err := next(c); err != nil {
			// Answered here and not by echo later: the status is wanted below.
			c.Error(err)
		}
		s.metrics.answered(routeOf(c), r.Method, c.Response().Status, time.Since(start))
		s.log(c, start)
		return nil
	}
}

// contextCause is why a request failed, for the log alone.
const contextCause = "cause"

// log writes the one line of a request.
func (s *Server) log(c echo.Context, start time.Time) {
	r, status := c.Request(), c.Response().Status
	level := slog.LevelInfo
	switch {
	case quiet[c.Path()] && status < http.StatusBadRequest:
		level = slog.LevelDebug
	case status == http.StatusInternalServerError && c.Get(contextCause) != nil:
		level = slog.LevelError
	case status > http.StatusInternalServerError:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("request_id", requestID(c)), slog.String("method", cut(r.Method, 16)), slog.String("path", cut(r.URL.Path, 128)),
		slog.Int("status", status), slog.Duration("took", time.Since(start)), slog.Int64("bytes", c.Response().Size), slog.String("remote", r.RemoteAddr),
	}
	if id := c.Response().Header().Get(headerJobID); id != "" {
		attrs = append(attrs, slog.String("job", id))
	}
	if name := client(c); name != "" {
		attrs = append(attrs, slog.String("client", name))
	}
	if cause, ok := c.Get(contextCause).(error); ok {
		attrs = append(attrs, slog.Any("error", cause))
	}
	s.o.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// quiet routes are asked every few seconds by machines; their successes are no news.
var quiet = map[string]bool{"/health": true, "/ready": true, "/metrics": true}

// routeOf is the route's pattern: paths themselves are made by clients and would make a metric each.
func routeOf(c echo.Context) string {
	if c.Path() == "" {
		return "other"
	}
	return c.Path()
}

func requestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// recoverPanics turns a panic into an answer and a log entry with the stack, and keeps the process.
func (s *Server) recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.metrics.panics.Inc()
			s.o.Log.ErrorContext(c.Request().Context(), "panic", "request_id", requestID(c), "panic", p, "stack", string(debug.Stack()))
			e := failure(http.StatusInternalServerError, codeInternal, "The service failed to answer; its log has the cause under request id %s", requestID(c))
			e.cause = fmt.Errorf("panic: %v", p)
			err = e
		}()
		return next(c)
	}
}
