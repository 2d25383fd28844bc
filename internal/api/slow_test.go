package api

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"safepy/internal/config"
	"safepy/internal/jobs"
)

// patient lets nobody be late: what a test of the places is about is not how busy the machine is.
var patient = pace{body: time.Hour, send: time.Hour, piece: time.Hour}

// dialFrom connects from one of this machine's own addresses.
func (s *testServer) dialFrom(address string) net.Conn {
	s.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: 10 * time.Second}
	conn, err := d.DialContext(s.t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(3 * time.Minute))
	return conn
}

// stall begins a large body from an address, goes so far that it needs a place, and no further.
func (s *testServer) stall(address, body string, header string) net.Conn {
	s.t.Helper()
	conn := s.dialFrom(address)
	fmt.Fprintf(conn, "POST /execute HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", header, len(body), body[:largeBody+1])
	return conn
}

// answered reads the one answer of a connection.
func (s *testServer) answered(conn net.Conn) *answerOf {
	s.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return &answerOf{resp, s.t, b}
}

// whole sends all of a body from an address.
func (s *testServer) whole(address, body, header string) *answerOf {
	s.t.Helper()
	conn := s.dialFrom(address)
	go fmt.Fprintf(conn, "POST /execute HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
	return s.answered(conn)
}

// await waits for what the places look like.
func (p *places) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := eventually(t)
	for {
		p.mu.Lock()
		yes, changed := ok(), p.changed
		p.mu.Unlock()
		if yes {
			return
		}
		select {
		case <-changed:
		case <-time.After(time.Millisecond): // taking one rings no bell
		case <-end.Done():
			t.Fatalf("never: %s", what)
		}
	}
}

func serveServer(t *testing.T, p pace, change ...func(*Options)) (*testServer, *Server) {
	t.Helper()
	q, o := newFakeQueue(), testOptions(t)
	for _, c := range change {
		c(&o)
	}
	served := New(q, o)
	served.pace = p
	q.outcomes["x"] = jobs.Outcome{Result: []byte(`1`)}
	return serveAt(t, q, served), served
}

var large = script("x") + strings.Repeat(" ", 2*largeBody)

// TestOneClientHasHalfOfThePlaces: who stalls in the middle of sixteen large bodies closes the door to nobody but himself.
func TestOneClientHasHalfOfThePlaces(t *testing.T) {
	ann, bob := "Authorization: Bearer a-secret\r\n", "Authorization: Bearer b-secret\r\n"
	keys := func(o *Options) { o.Keys = config.APIKeys{key("ann", "a-secret"), key("bob", "b-secret")} }
	for name, c := range map[string]struct {
		change                []func(*Options)
		from, header          string
		otherFrom, otherToken string
	}{
		"by address": {nil, "127.0.0.2", "", "127.0.0.3", ""},
		"by key":     {[]func(*Options){keys}, "127.0.0.2", ann, "127.0.0.2", bob},
	} {
		t.Run(name, func(t *testing.T) {
			s, served := serveServer(t, patient, c.change...)
			var stalled []net.Conn
			for range largeBodies {
				stalled = append(stalled, s.stall(c.from, large, c.header))
			}
			served.large.await(t, "half of the places taken", func() bool { return served.large.free == largeBodies/2 })
			for range 3 {
				s.whole(c.otherFrom, large, c.otherToken).want(200)
			}
			// One who has places already waits for more of them in vain, and then for nothing.
			refused := s.whole(c.from, large, c.header)
			refused.wantError(503, "queue_full", "large requests")
			if refused.Header.Get("Retry-After") != "1" || !refused.Close {
				t.Errorf("headers %v", refused.Header)
			}
			s.whole(c.from, script("x"), c.header).want(200)
			got := map[int]int{}
			for _, conn := range stalled {
				io.WriteString(conn, large[largeBody+1:])
				got[s.answered(conn).StatusCode]++
			}
			if got[200] != largeBodies/2 || got[503] != largeBodies/2 {
				t.Errorf("the stalled ones got %v", got)
			}
			s.whole(c.from, large, c.header).want(200)
			served.large.await(t, "all places free", func() bool { return served.large.free == largeBodies && len(served.large.taken) == 0 })
		})
	}
}

// TestTheSlowestLeaves: with every place taken by another client, each stalling, one who comes now and is quick is let in.
func TestTheSlowestLeaves(t *testing.T) {
	s, served := serveServer(t, patient)
	var stalled []net.Conn
	for i := range largeBodies {
		stalled = append(stalled, s.stall(fmt.Sprintf("127.0.0.%d", 10+i), large, ""))
	}
	served.large.await(t, "every place taken", func() bool { return served.large.free == 0 })
	for range 3 {
		s.whole("127.0.0.3", large, "").want(200)
	}
	got := map[int]int{}
	for _, conn := range stalled {
		io.WriteString(conn, large[largeBody+1:])
		a := s.answered(conn)
		if got[a.StatusCode]++; a.StatusCode == 408 {
			a.wantError(408, "request_timeout", "while others waited", "262144 bytes")
		}
	}
	if got[408] == 0 || got[200] == 0 || got[200]+got[408] != largeBodies {
		t.Errorf("the stalled ones got %v", got)
	}
	served.large.await(t, "all places free", func() bool { return served.large.free == largeBodies && len(served.large.coming) == 0 })
}

// TestSlowSenders: a body has its time, each piece of a large one its own, and one that nobody reads ends as well.
func TestSlowSenders(t *testing.T) {
	const soon = 50 * time.Millisecond
	for _, c := range []struct {
		name, head, begun string
		pace              pace
		status            int
		code, part        string
	}{
		{"small", "POST /execute", `{"script"`, pace{body: soon, piece: time.Hour}, 408, "request_timeout", "did not arrive within 50ms; send it faster"},
		{"large", "POST /execute", large[:largeBody+1], pace{body: time.Hour, piece: soon}, 408, "request_timeout", "slower than 262144 bytes in 50ms"},
		{"large, of which much came", "POST /execute", large[:2*largeBody-5], pace{body: time.Hour, piece: soon}, 408, "request_timeout", "slower than"},
		{"large, all in all", "POST /execute", large[:largeBody+1], pace{body: soon, piece: time.Hour}, 408, "request_timeout", "did not arrive within 50ms"},
		{"nobody reads it: no route", "POST /nowhere", "", pace{body: soon, piece: time.Hour}, 404, "not_found", "/nowhere"},
		{"nobody reads it: no such job", "DELETE /jobs/none", "x", pace{body: soon, piece: time.Hour}, 404, "not_found", "no such job"},
		{"nobody reads it: GET", "GET /health", "x", pace{body: soon, piece: time.Hour}, 200, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.pace.send = time.Minute
			s, _ := serveServer(t, c.pace)
			conn := s.dialFrom("127.0.0.2")
			length := max(200, len(c.begun)+100)
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", c.head, length, c.begun)
			a := s.answered(conn).want(c.status)
			if c.code != "" {
				a.wantError(c.status, c.code, c.part)
			}
			if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
				t.Error("the connection goes on")
			}
		})
	}
}

// TestSlowReaders: an answer that nobody takes is given up, and what it held with it.
func TestSlowReaders(t *testing.T) {
	lines := logLines{slog.NewTextHandler(t.Output(), nil), make(chan slog.Record, 16)}
	s, _ := serveServer(t, pace{body: time.Minute, send: time.Hour, piece: 50 * time.Millisecond}, func(o *Options) { o.Log = slog.New(lines) })
	// More than the kernel keeps on the way.
	s.queue.outcomes["long"] = jobs.Outcome{Result: []byte(`1`), Stdout: strings.Repeat("x", 64<<20)}
	conn := s.dialFrom("127.0.0.2")
	conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	body := script("long")
	fmt.Fprintf(conn, "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for {
		select {
		case r := <-lines.seen:
			cause := ""
			r.Attrs(func(a slog.Attr) bool {
				if a.Key == "error" {
					cause = a.Value.String()
				}
				return true
			})
			if strings.Contains(cause, "i/o timeout") {
				return
			}
		case <-eventually(t).Done():
			t.Fatal("still being sent")
		}
	}
}

// TestSlowHeads: connections that send nothing, or half a head, hold up nobody and are closed.
func TestSlowHeads(t *testing.T) {
	served := New(newFakeQueue(), testOptions(t))
	s := &testServer{httptest.NewUnstartedServer(nil), t, nil}
	s.Config = newHTTPServer(served, served.o.Log)
	if s.Config.ReadHeaderTimeout <= 0 || s.Config.IdleTimeout <= 0 {
		t.Fatal("heads and idle connections have no end")
	}
	s.Config.ReadHeaderTimeout, s.Config.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond
	s.Listener = jsonRefusals{s.Listener}
	s.Start()
	t.Cleanup(s.Close)
	var slow []net.Conn
	for i, sent := range []string{"", "G", "GET /health HTTP/1.1\r\nHost: localhost\r\nX-A", "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"} {
		for range 100 {
			conn := s.dialFrom(fmt.Sprintf("127.0.0.%d", 2+i))
			io.WriteString(conn, sent)
			slow = append(slow, conn)
		}
	}
	s.do("GET", "/health", "").want(200)
	for _, conn := range slow {
		if _, err := io.Copy(io.Discard, conn); err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				t.Fatal("still open")
			}
		}
	}
}

func TestSenders(t *testing.T) {
	s := New(newFakeQueue(), testOptions(t))
	for remote, want := range map[string]string{
		"192.0.2.7:1": "192.0.2.7", "[::ffff:192.0.2.7]:2": "192.0.2.7", "[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::/64", "[2001:db8:1:2::9]:1": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1": "fe80::/64", "@": "@",
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.RemoteAddr = remote
		if got := sender(s.echo.NewContext(r, nil)); got != want {
			t.Errorf("%s is %s, want %s", remote, got, want)
		}
	}
}

// TestEchoIsBounded: nothing that was sent comes back at length, or as anything but plain text.
func TestEchoIsBounded(t *testing.T) {
	s := serve(t)
	long, odd := strings.Repeat("Z", 50_000), "\x00\x1b[31m\u202e<script>"
	field := func(name string) string { return `{"script": "x", "` + name + `": 1}` }
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
	}{
		{"method", strings.Repeat("Z", 5000), "/execute", "", nil, 405},
		{"method of a route that is not", long, "/nowhere", "", nil, 404},
		{"path", "GET", "/" + long, "", nil, 404},
		{"odd path", "GET", "/%00%1b%5b31m%e2%80%ae%0aA%c3%28", "", nil, 404},
		{"path and method", "PUT", "/jobs/" + long, "", nil, 405},
		{"id", "GET", "/jobs/" + long, "", nil, 404},
		{"limit", "GET", "/jobs?limit=" + long, "", nil, 400},
		{"status", "GET", "/jobs?status=" + long, "", nil, 400},
		{"cursor", "GET", "/jobs?cursor=" + strings.Repeat("Z", 1000), "", nil, 0},
		{"wait", "GET", "/jobs/x?wait=" + long, "", nil, 400},
		{"flag", "POST", "/execute?cancel_on_disconnect=" + long, script("x"), nil, 400},
		{"field", "POST", "/execute", field(long), nil, 400},
		{"odd field", "POST", "/execute", field(`\u0000\u001b\u202e`), nil, 400},
		{"limits' field", "POST", "/execute", `{"script": "x", "limits": {"` + long + `": 1}}`, nil, 400},
		{"number", "POST", "/execute", `{"script": "x", "limits": {"timeout_ms": 1` + strings.Repeat("0", 50_000) + `}}`, nil, 400},
		{"priority", "POST", "/execute", `{"script": "x", "priority": "` + long + `"}`, nil, 400},
		{"file's path", "POST", "/execute", `{"script": "x", "files": [{"path": "/` + long + `", "content": ""}]}`, nil, 400},
		{"path taken", "POST", "/execute", `{"script": "x", "files": [` + strings.Repeat(`{"path": "`+long[:250]+`/`+long[:250]+`", "content": ""},`, 2) + `{}]}`, nil, 400},
		{"encoding of a file", "POST", "/execute", `{"script": "x", "files": [{"path": "a", "content": "", "encoding": "` + long + `"}]}`, nil, 400},
		{"broken JSON in a field", "POST", "/execute", `{"` + long + `": {"` + long + `": [nope`, nil, 400},
		{"Content-Type", "POST", "/execute", "nope", []string{"Content-Type", "text/" + long}, 400},
		{"Content-Encoding", "POST", "/execute", "nope", []string{"Content-Encoding", long}, 415},
		{"Idempotency-Key", "POST", "/execute", script("x"), []string{"Idempotency-Key", long}, 400},
		{"X-Request-Id", "GET", "/nowhere", "", []string{"X-Request-Id", long}, 404},
		{"Origin", "POST", "/execute", script("x"), []string{"Origin", "http://" + long}, 403},
		{"odd Origin", "POST", "/execute", script("x"), []string{"Origin", "http://\u202e\"<script>"}, 403},
		{"Sec-Fetch-Site", "POST", "/execute", script("x"), []string{"Sec-Fetch-Site", long}, 403},
		{"Authorization", "GET", "/nowhere", "", []string{"Authorization", "Bearer " + long}, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := s.raw(c.method, c.path, "localhost", c.body, c.header...)
			if c.status > 0 {
				a.want(c.status)
			}
			if len(a.body) > 600 {
				t.Errorf("%d bytes come back: %.200s", len(a.body), a.body)
			}
			var e wireError
			a.into(&e)
			if strings.ContainsAny(e.Error, odd[:2]+"\u202e\n") {
				t.Errorf("not plain: %q", e.Error)
			}
			for name, values := range a.Header {
				if n := len(strings.Join(values, "")); n > 200 {
					t.Errorf("%s has %d bytes", name, n)
				}
			}
		})
	}
	a := s.raw("GET", "/jobs", strings.Repeat("z", 5000)+".example", "")
	if a.wantError(403, "forbidden_host", "..."); len(a.body) > 400 {
		t.Errorf("%d bytes come back", len(a.body))
	}
}
