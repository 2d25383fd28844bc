package api

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"safepy/internal/jobs"
)

// BenchmarkExecute is what the API itself adds to a job: everything but the queue and the network.
func BenchmarkExecute(b *testing.B) {
	q := newFakeQueue()
	const text = "import pandas as pd\n\ndef main():\n    return {'n': 1}\n"
	q.outcomes[text] = jobs.Outcome{Result: []byte(`{"n":1}`), Stdout: "hello\n"}
	s := New(q, Options{
		Limits: Limits{ScriptBytes: 1 << 20, RequestBytes: 10 << 20, TimeoutMS: 10_000, MemoryMB: 100}, ExecuteWait: time.Second,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	body := script(text)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("POST", "/execute", strings.NewReader(body)))
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

func BenchmarkParseRequest1MiB(b *testing.B) {
	body := []byte(script(strings.Repeat("x = 'é'  # a line of Python\n", 30_000)))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := parseRequest(body, Limits{ScriptBytes: 1 << 20}); err != nil {
			b.Fatal(err)
		}
	}
}
