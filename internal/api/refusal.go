package api

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// jsonRefusals is a listener whose connections turn what net/http itself refuses, before any handler sees it, into the JSON of
// every other error: a garbled request line, a missing Host, headers without end.
type jsonRefusals struct{ net.Listener }

func (l jsonRefusals) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if t, ok := c.(*net.TCPConn); ok {
		return &refusing{t}, err
	}
	return c, err
}

// refusing keeps what a TCP connection can do beyond a net.Conn: net/http closes its sending side first, so that a refusal
// is not lost in a reset.
type refusing struct{ *net.TCPConn }

// refusalHeaders are all the headers of net/http's refusals, each of which it writes in one piece. An answer of ours has a Date,
// and nothing within one can look like this, since JSON has no line ends inside.
const refusalHeaders = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// longestRefusal is far above the longest, which names a malformed header.
const longestRefusal = 1 << 10

func (c *refusing) Write(p []byte) (int, error) {
	line, reason, ok := refused(p)
	if !ok {
		return c.TCPConn.Write(p)
	}
	if _, err := c.TCPConn.Write(refusal(line, reason)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// refused takes a refusal apart: its status line and what is wrong.
func refused(p []byte) (line, reason string, ok bool) {
	if len(p) > longestRefusal || !bytes.HasPrefix(p, []byte("HTTP/1.1 ")) {
		return "", "", false
	}
	head, reason, ok := strings.Cut(string(p), refusalHeaders)
	return head, reason, ok && !strings.Contains(head, "\n")
}

func refusal(line, reason string) []byte {
	status, code := 0, codeInvalidRequest
	fmt.Sscanf(line, "HTTP/1.1 %d", &status)
	// "400 Bad Request: missing required Host header": what follows the status is the reason, where there is one.
	_, detail, _ := strings.Cut(reason, ": ")
	message := "The request is not valid HTTP"
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		code, message = codeTooLarge, fmt.Sprintf("The request's headers are longer than the %d bytes that are accepted; send less", headerBytes)
	case http.StatusNotImplemented:
		code, message = codeUnsupported, "The request body has a Transfer-Encoding that this service does not know; send it chunked, or with a Content-Length"
	case http.StatusHTTPVersionNotSupported:
		message = "The request is of an HTTP version that this service does not speak; send HTTP/1.1"
	default:
		message += ": " + cmp.Or(detail, "its first line or one of its headers is malformed")
	}
	body, err := encodeDocument(nil, errorBody{Error: message, Code: code})
	if err != nil {
		body = nil // two strings: never
	}
	line = strings.TrimSpace(fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status)))
	return fmt.Appendf(nil, "%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%s", line, len(body), body)
}
