package api

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"safepy/internal/jobs"
)

// TestRefusalsAreJSON: what net/http refuses by itself is answered as everything else is, and the connection is closed.
func TestRefusalsAreJSON(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		name, request string
		status        int
		code, part    string
	}{
		{"garbage", "garbage\r\n\r\n", 400, "invalid_request", "malformed"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "invalid_request", "malformed"},
		{"no host", "GET /health HTTP/1.1\r\n\r\n", 400, "invalid_request", "missing required Host header"},
		{"two hosts", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "invalid_request", "malformed"},
		{"header name", "GET /health HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n", 400, "invalid_request", "invalid header name"},
		{"header value", "GET /health HTTP/1.1\r\nHost: a\r\nA: \x01\r\n\r\n", 400, "invalid_request", "malformed"},
		{"length", "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n{}", 400, "invalid_request", "malformed"},
		{"transfer encoding", "POST /execute HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: none\r\n\r\n{}", 501, "unsupported_encoding", "Transfer-Encoding"},
		{"version", "GET /health HTTP/3.0\r\nHost: localhost\r\n\r\n", 505, "invalid_request", "HTTP/1.1"},
		{"long headers", "GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 2*headerBytes) + "\r\n\r\n", 431, "too_large", "65536 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.DialTimeout("tcp", s.Listener.Addr().String(), 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			go io.WriteString(conn, c.request)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || int64(len(body)) != resp.ContentLength || !resp.Close {
				t.Errorf("%d bytes of %d, closes %v, %v", len(body), resp.ContentLength, resp.Close, err)
			}
			(&answerOf{resp, t, body}).wantError(c.status, c.code, c.part)
		})
	}
}

// TestAnswersThatQuoteARefusal: a script that prints net/http's words has them in its answer unchanged.
func TestAnswersThatQuoteARefusal(t *testing.T) {
	s := serve(t)
	quoted := "HTTP/1.1 400 Bad Request" + refusalHeaders + "400 Bad Request"
	for _, pad := range []int{0, 3700, 4000, 4096, 8192} {
		stdout := strings.Repeat(quoted, 50) + strings.Repeat("x", pad) + quoted
		s.queue.outcomes["x"] = jobs.Outcome{Result: []byte(`1`), Stdout: stdout}
		var a struct{ Stdout string }
		s.do("POST", "/execute", script("x")).want(200).into(&a)
		if a.Stdout != stdout {
			t.Errorf("%d bytes came as %d", len(stdout), len(a.Stdout))
		}
	}
}
