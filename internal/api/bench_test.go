package api

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"safepy/internal/jobs"
)

// BenchmarkExecute is what the API itself adds to a job: everything but the queue and the network.
func BenchmarkExecute(b *testing.B) {
	lines := strings.Repeat(strings.Repeat("x", 63)+"\n", 1<<14)
	for name, o := range map[string]jobs.Outcome{
		"small":       {Result: []byte(`{"n":1}`), Stdout: "hello\n"},
		"1MiB-stdout": {Result: []byte(`null`), Stdout: lines},
		"1MiB-stderr": {Stdout: "hello\n", Stderr: lines, Error: &jobs.Error{Code: jobs.Exception, Message: "Script execution failed"}},
	} {
		b.Run(name, func(b *testing.B) {
			q := newFakeQueue()
			const text = "import pandas as pd\n\ndef main():\n    return {'n': 1}\n"
			q.outcomes[text] = o
			s := New(q, Options{
				Limits: Limits{ScriptBytes: 1 << 20, RequestBytes: 10 << 20, TimeoutMS: 10_000, MemoryMB: 100}, ExecuteWait: time.Second,
				Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			})
			body := script(text)
			b.ReportAllocs()
			for b.Loop() {
				w := &unread{header: http.Header{}}
				s.ServeHTTP(w, httptest.NewRequest("POST", "/execute", strings.NewReader(body)))
				if (w.status == 200) != (o.Error == nil) {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// unread is a client that takes an answer and does not look at it.
type unread struct {
	header http.Header
	status int
}

func (u *unread) Header() http.Header         { return u.header }
func (u *unread) WriteHeader(status int)      { u.status = status }
func (u *unread) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkParseRequest1MiB(b *testing.B) {
	body := []byte(script(strings.Repeat("x = 'é'  # a line of Python\n", 30_000)))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := parseRequest(body, Limits{ScriptBytes: 1 << 20}); err != nil {
			b.Fatal(err)
		}
	}
}
