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
	setDocumentHeaders(h)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	allowed := paceOf(c)
	over := time.Now().Add(allowed.send)
	_ = http.NewResponseController(c.Response()).SetWriteDeadline(over)
	c.Response().WriteHeader(status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	return writePieces(c, body, allowed, over)
}

func setDocumentHeaders(h http.Header) {
	h.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set(echo.HeaderCacheControl, "no-store")
}

// writePieces gives each piece of what is sent its own time, and all of it until over.
func writePieces(c echo.Context, body []byte, allowed pace, over time.Time) (err error) {
	control := http.NewResponseController(c.Response())
	for rest := body; len(rest) > 0 && err == nil; {
		_ = control.SetWriteDeadline(allowed.deadline(over))
		part := rest[:min(len(rest), pieceBytes)]
		rest = rest[len(part):]
		_, err = c.Response().Write(part)
	}
	return err
}
