package api

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// largestKept is the longest buffer that is kept for the next answer: room for a full stdout and a full stderr.
const largestKept = 4 << 20

// buffers are those of answers that were sent. A megabyte made anew for each answer is a megabyte to be zeroed and collected.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// send writes one JSON document. It is encoded before the first byte leaves, so that what cannot be encoded becomes an
// error and not half an answer.
func send(c echo.Context, status int, document any) error {
	buffer := buffers.Get().(*[]byte)
	body, err := encodeDocument((*buffer)[:0], document)
	defer func() {
		if cap(body) <= largestKept {
			*buffer = body
			buffers.Put(buffer)
		}
	}()
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set(echo.HeaderCacheControl, "no-store")
	allowed := paceOf(c)
	over := time.Now().Add(allowed.send)
	control := http.NewResponseController(c.Response())
	_ = control.SetWriteDeadline(over)
	c.Response().WriteHeader(status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	for rest := body; len(rest) > 0 && err == nil; {
		_ = control.SetWriteDeadline(allowed.deadline(over))
		part := rest[:min(len(rest), pieceBytes)]
		rest = rest[len(part):]
		_, err = c.Response().Write(part)
	}
	return err
}
