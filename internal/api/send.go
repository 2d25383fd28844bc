package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// sendPatience is how long a client may take to read its answer.
const sendPatience = time.Minute

// send writes one JSON document. It is encoded before the first byte leaves, so that what cannot be encoded becomes an
// error and not half an answer. Results pass through byte for byte, and <, > and & stay as they are: nobody puts this
// into HTML unescaped, and "a < b" printed by a script should read like that.
func send(c echo.Context, status int, document any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	h.Set(echo.HeaderContentLength, strconv.Itoa(b.Len()))
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set(echo.HeaderCacheControl, "no-store")
	_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(sendPatience))
	c.Response().WriteHeader(status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	_, err := c.Response().Write(b.Bytes())
	return err
}
