package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What is on the wire, declared apart from the types that put it there.
type (
	wireError struct {
		Error      string  `json:"error"`
		Code       string  `json:"code"`
		Type       string  `json:"type"`
		Line       int     `json:"line"`
		SourceLine string  `json:"source_line"`
		Traceback  string  `json:"traceback"`
		Stdout     *string `json:"stdout"`
		Stderr     *string `json:"stderr"`
	}
	wireJob struct {
		ID        string          `json:"id"`
		Status    string          `json:"status"`
		Result    json.RawMessage `json:"result"`
		Stdout    string          `json:"stdout"`
		Error     *wireError      `json:"error"`
		Truncated struct {
			Stdout bool `json:"stdout"`
			Stderr bool `json:"stderr"`
		} `json:"truncated"`
		Attempts int `json:"attempts"`
	}
	wirePage struct {
		Jobs       []wireJob `json:"jobs"`
		NextCursor string    `json:"next_cursor"`
	}
)

// testServer is a Server on a real socket over a fake queue.
type testServer struct {
	*httptest.Server
	t     *testing.T
	queue *fakeQueue
}

func testOptions(t *testing.T) Options {
	return Options{
		Limits:      Limits{ScriptBytes: 1 << 20, RequestBytes: 10 << 20, TimeoutMS: 10_000, MemoryMB: 100},
		Batch:       BatchLimits{Jobs: 100, Bytes: 10 << 20},
		ExecuteWait: 10 * time.Second,
		OutputBytes: 1 << 20,
		Log:         slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func serve(t *testing.T, change ...func(*Options)) *testServer {
	t.Helper()
	q, o := newFakeQueue(), testOptions(t)
	for _, c := range change {
		c(&o)
	}
	return serveAt(t, q, New(q, o))
}

// serveAt puts a Server, which the test may have changed, on a socket.
func serveAt(t *testing.T, q *fakeQueue, served *Server) *testServer {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = newHTTPServer(served, served.o.Log)
	s.Listener = jsonRefusals{s.Listener}
	s.Start()
	t.Cleanup(s.Close)
	return &testServer{s, t, q}
}

// answerOf is a response with its body read.
type answerOf struct {
	*http.Response
	t    *testing.T
	body []byte
}

func (s *testServer) do(method, path, body string, header ...string) *answerOf {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.send(req)
}

func (s *testServer) send(req *http.Request) *answerOf {
	s.t.Helper()
	resp, err := s.Client().Do(req)
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

func (a *answerOf) want(status int) *answerOf {
	a.t.Helper()
	if a.StatusCode != status {
		a.t.Fatalf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
	return a
}

// into decodes the body strictly: a field that the test's struct does not know is a mistake on the wire.
func (a *answerOf) into(v any) {
	a.t.Helper()
	if ct := a.Header.Get("Content-Type"); ct != "application/json" {
		a.t.Errorf("Content-Type %q", ct)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
}

// wantError checks the status and that the error's message holds every part.
func (a *answerOf) wantError(status int, code string, parts ...string) wireError {
	a.t.Helper()
	a.want(status)
	var e wireError
	a.into(&e)
	if e.Code != code {
		a.t.Errorf("code %q, want %q: %s", e.Code, code, a.body)
	}
	for _, part := range append(parts, " ") {
		if !strings.Contains(e.Error, part) {
			a.t.Errorf("error %q, want %q in it", e.Error, part)
		}
	}
	return e
}

// script makes a request body of nothing but a script.
func script(s string) string {
	b, err := json.Marshal(map[string]string{"script": s})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func compact(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// eventually is a context for waits inside a test, far above anything they should take.
func eventually(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
