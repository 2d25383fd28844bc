package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// event is one of a stream.
type event struct{ id, name, data string }

// stream is an answer that is read event by event.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	close func()
}

// stream asks for events and wants to get them.
func (c *client) stream(t *testing.T, method, path, body string, header ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if kind := got.Header.Get("Content-Type"); got.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("%s, %s", got.Status, kind)
	}
	lines := bufio.NewScanner(got.Body)
	lines.Buffer(nil, 16<<20)
	s := &stream{t: t, lines: lines, close: func() { cancel(); got.Body.Close() }}
	t.Cleanup(s.close)
	return s
}

// next is the next event; ok is false at the end of the stream.
func (s *stream) next() (e event, ok bool) {
	s.t.Helper()
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch {
		case name == "" && e.name != "":
			return e, true
		case name == "id":
			e.id = value
		case name == "event":
			e.name = value
		case name == "data":
			e.data = value
		}
	}
	return e, false
}

// until is the first event of that name.
func (s *stream) until(name string) event {
	s.t.Helper()
	for {
		e, ok := s.next()
		if !ok {
			s.t.Fatalf("the stream ended without %s: %v", name, s.lines.Err())
		}
		if e.name == name {
			return e
		}
	}
}

func (e event) text(t *testing.T) string {
	t.Helper()
	var data struct{ Text string }
	if err := json.Unmarshal([]byte(e.data), &data); err != nil {
		t.Fatalf("%v in %s", err, e.data)
	}
	return data.Text
}

// testEvents watches jobs.
func testEvents(t *testing.T, c *client) {
	t.Run("while it runs", func(t *testing.T) {
		s := c.stream(t, http.MethodPost, "/jobs", `{"script": "import time\ndef main():\n    print('first', flush=True)\n    time.sleep(9)"}`)
		first := s.until("status")
		var status struct{ ID, Status string }
		if err := json.Unmarshal([]byte(first.data), &status); err != nil {
			t.Fatal(err)
		}
		for text := ""; text != "first\n"; {
			text += s.until("stdout").text(t)
		}
		a := c.do(t, http.MethodDelete, "/jobs/"+status.ID, "", nil)
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		var j job
		if err := json.Unmarshal([]byte(s.until("end").data), &j); err != nil || j.Status != "canceled" || j.Stdout != "first\n" {
			t.Errorf("%v, %+v", err, j)
		}
		if e, ok := s.next(); ok {
			t.Errorf("behind the end: %+v", e)
		}
	})
	t.Run("cut and resumed", func(t *testing.T) {
		script := `import sys
for i in range(3000):
    print("é%d" % i, flush=i % 7 == 0)
    if i % 11 == 0:
        print("\U0001F600" * 300, file=sys.stderr)
`
		body, err := json.Marshal(request{Mode: "program", Script: script})
		if err != nil {
			t.Fatal(err)
		}
		a := c.do(t, http.MethodPost, "/jobs", "application/json", body)
		id, last, cuts := a.header.Get("X-Job-Id"), "", 0
		var out, err2 strings.Builder
		var j job
		for j.ID == "" {
			s := c.stream(t, http.MethodGet, "/jobs/"+id+"/events", "", "Last-Event-ID", last)
			for range 2 + cuts%5 {
				e, ok := s.next()
				if !ok {
					t.Fatalf("%d cuts: %v", cuts, s.lines.Err())
				}
				last = e.id
				switch e.name {
				case "stdout":
					out.WriteString(e.text(t))
				case "stderr":
					err2.WriteString(e.text(t))
				case "end":
					if err := json.Unmarshal([]byte(e.data), &j); err != nil {
						t.Fatal(err)
					}
				}
				if e.name == "end" {
					break
				}
			}
			s.close()
			cuts++
		}
		if out.String() != j.Stdout || err2.String() != j.Stderr || j.Status != "completed" || len(j.Stdout) < 10000 {
			t.Errorf("after %d cuts %d and %d bytes, and it is %d and %d: %s", cuts, out.Len(), err2.Len(), len(j.Stdout), len(j.Stderr), j.Status)
		}
		if a := c.do(t, http.MethodGet, "/jobs/"+id+"/events?last_event_id=end", "", nil); a.status != http.StatusNoContent {
			t.Errorf("behind the end: %d %s", a.status, a.body)
		}
	})
	t.Run("execute and cases", func(t *testing.T) {
		e := c.stream(t, http.MethodPost, "/execute", `{"script": "def main():\n    print('x')\n    return 1"}`).until("end")
		var j job
		if err := json.Unmarshal([]byte(e.data), &j); err != nil || string(j.Result) != "1" || j.Stdout != "x\n" {
			t.Errorf("%v, %+v", err, j)
		}
		s := c.stream(t, http.MethodPost, "/jobs", `{"script": "def main(n):\n    return n", "cases": [{"args": [1]}, {"args": [2], "expect": {"result": 2}}]}`)
		for _, want := range []string{`"result":1,`, `"passed":true`} {
			if e := s.until("case"); !strings.Contains(e.data, want) {
				t.Errorf("%s", e.data)
			}
		}
		s.until("end")
	})
	t.Run("wrong", func(t *testing.T) {
		for path, want := range map[string]int{"/jobs/00000000-0000-0000-0000-000000000000/events": 404, "/jobs/x/events?last_event_id=1": 400} {
			if a := c.do(t, http.MethodGet, path, "", nil); a.status != want {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	})
}
