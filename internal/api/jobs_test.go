package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"safepy/internal/jobs"
)

func TestSubmitAnswersAtOnce(t *testing.T) {
	s := serve(t)
	a := s.do("POST", "/jobs", script("endless")).want(202)
	want := `{"id":"job-1","status":"queued","result":null,"stdout":"","stderr":"","outputs":[],"exit_code":null,"error":null,` +
		`"truncated":{"stdout":false,"stderr":false,"files":false,"outputs":false},"files":[],"usage":null,"attempts":0,"created_at":"1970-01-01T00:00:01Z","started_at":null,"finished_at":null}`
	if got := compact(t, a.body); got != want {
		t.Errorf("job %s\nwant %s", got, want)
	}
	if a.Header.Get("Location") != "/jobs/job-1" || a.Header.Get("Preference-Applied") != "" {
		t.Errorf("headers %v", a.Header)
	}
	if s.queue.options[0].Reply {
		t.Error("a reply was ordered that nobody waits for")
	}
}

func TestSubmitPreferWait(t *testing.T) {
	s := serve(t)
	s.queue.outcomes["quick"] = jobs.Outcome{Result: []byte(`{"n":12345678901234567890}`), Stdout: "<hi>"}
	for prefer, want := range map[string]string{
		"wait=5": "wait=5", "respond-async, wait=5": "wait=5", "WAIT = 5": "wait=5", `wait="5"`: "wait=5", "wait=5; x=y": "wait=5", "wait=3600": "wait=10",
		// RFC 7240: what is not understood is ignored.
		"wait=abc": "", "wait": "", "wait=-1": "", "wait=NaN": "", "return=minimal": "", "waiting=5": "",
	} {
		a := s.do("POST", "/jobs", script("quick"), "Prefer", prefer).want(200)
		var j wireJob
		if a.into(&j); j.Status != "completed" || string(j.Result) != `{"n":12345678901234567890}` || j.Stdout != "<hi>" {
			t.Errorf("%s: job %+v", prefer, j)
		}
		if got := a.Header.Get("Preference-Applied"); got != want {
			t.Errorf("%s: Preference-Applied %q, want %q", prefer, got, want)
		}
	}
	var j wireJob
	s.do("POST", "/jobs", script("endless"), "Prefer", "wait=0.01").want(202).into(&j)
	if j.Status != "queued" {
		t.Errorf("job %+v", j)
	}

	ended := make(chan *answerOf)
	go func() { ended <- s.do("POST", "/jobs", script("slow"), "Prefer", "wait=5") }()
	// The waits before this one are in the channel, too.
	for id := range s.queue.waiting {
		if seen, err := s.queue.Get(t.Context(), id); err == nil && !seen.Status.Final() && id != j.ID {
			s.queue.finish(id, jobs.Outcome{Result: []byte(`1`)})
			break
		}
	}
	(<-ended).want(200).into(&j)
	if j.Status != "completed" {
		t.Errorf("job %+v", j)
	}
}

func TestGetWaits(t *testing.T) {
	s := serve(t)
	s.do("POST", "/jobs", script("slow")).want(202)
	var j wireJob
	if s.do("GET", "/jobs/job-1?wait=0", "").want(200).into(&j); j.Status != "queued" {
		t.Errorf("job %+v", j)
	}
	ended := make(chan *answerOf)
	go func() { ended <- s.do("GET", "/jobs/job-1?wait=10", "") }()
	s.queue.finish(<-s.queue.waiting, jobs.Outcome{Error: &jobs.Error{Code: jobs.Exception, Message: "Script execution failed: x"}})
	(<-ended).want(200).into(&j)
	if j.Status != "failed" || j.Error == nil || j.Error.Code != "exception" || string(j.Result) != "null" {
		t.Errorf("job %+v", j)
	}
	for _, wait := range []string{"", "x", "-1", "NaN", "10s", "1,5"} {
		s.do("GET", "/jobs/job-1?wait="+wait, "").wantError(400, "invalid_request", "wait must be a number of seconds")
	}
	for _, id := range []string{"job-2", "..%2f..", "a%20b", "é", strings.Repeat("a", 300), "job-1/events/x"} {
		s.do("GET", "/jobs/"+id, "").want(404)
	}
	s.do("GET", "/jobs/job-2", "").wantError(404, "not_found", "no such job")
}

func TestCancel(t *testing.T) {
	s := serve(t)
	s.do("POST", "/jobs", script("endless")).want(202)
	var j wireJob
	if s.do("DELETE", "/jobs/job-1", "").want(200).into(&j); j.Status != "canceled" {
		t.Errorf("job %+v", j)
	}
	if s.do("DELETE", "/jobs/job-1", "").want(200).into(&j); j.Status != "canceled" {
		t.Errorf("job %+v after canceling it twice", j)
	}
	s.do("DELETE", "/jobs/nope", "").wantError(404, "not_found", "no such job")
}

func TestList(t *testing.T) {
	s := serve(t)
	s.queue.outcomes["ok"] = jobs.Outcome{Result: []byte(`"big"`), Stdout: "big"}
	for i := range 5 {
		s.do("POST", "/jobs", script([]string{"ok", "endless"}[i%2]))
	}
	var p wirePage
	a := s.do("GET", "/jobs?limit=2", "").want(200)
	if a.into(&p); len(p.Jobs) != 2 || p.Jobs[0].ID != "job-5" || p.NextCursor != "job-4" {
		t.Errorf("page %+v", p)
	}
	if strings.Contains(string(a.body), "big") {
		t.Errorf("results are in the list: %s", a.body)
	}
	s.do("GET", "/jobs?limit=100&cursor=job-4", "").want(200).into(&p)
	if len(p.Jobs) != 3 || p.Jobs[0].ID != "job-3" || p.NextCursor != "" {
		t.Errorf("page %+v", p)
	}
	s.do("GET", "/jobs?status=queued", "").want(200).into(&p)
	if len(p.Jobs) != 2 || p.Jobs[0].Status != "queued" {
		t.Errorf("page %+v", p)
	}
	if got := compact(t, s.do("GET", "/jobs?status=failed", "").want(200).body); got != `{"jobs":[],"next_cursor":""}` {
		t.Errorf("empty page %s", got)
	}
	for query, want := range map[string]string{
		"limit=0": "limit must be", "limit=101": "limit must be", "limit=x": "limit must be", "limit=1.5": "limit must be",
		"status=done": "status must be queued",
	} {
		s.do("GET", "/jobs?"+query, "").wantError(400, "invalid_request", want)
	}
	s.queue.set(func() { s.queue.err = jobs.ErrBadCursor })
	s.do("GET", "/jobs?cursor=x", "").wantError(400, "invalid_request", "cursor", "next_cursor")
}

func TestIdempotencyKey(t *testing.T) {
	s := serve(t)
	for range 2 {
		var j wireJob
		s.do("POST", "/jobs", script("endless"), "Idempotency-Key", "k").want(202).into(&j)
		if j.ID != "job-1" {
			t.Errorf("job %+v", j)
		}
	}
	s.do("POST", "/jobs", script("other"), "Idempotency-Key", "k").wantError(409, "idempotency_mismatch", "Idempotency-Key", "new key")
	s.do("POST", "/execute", script("other"), "Idempotency-Key", "k").wantError(409, "idempotency_mismatch")
	for _, key := range []string{"", strings.Repeat("k", 256), "a\tb", "é"} {
		s.do("POST", "/jobs", script("x"), "Idempotency-Key", key).wantError(400, "invalid_request", "Idempotency-Key must be")
	}
}

func TestClientThatGoesAway(t *testing.T) {
	for _, c := range []struct {
		query  string
		cancel bool
	}{{"", false}, {"?cancel_on_disconnect=1", true}, {"?cancel_on_disconnect=0", false}} {
		for _, route := range []string{"/execute", "/jobs"} {
			t.Run(route+c.query, func(t *testing.T) {
				s := serve(t)
				ctx, leave := context.WithCancel(t.Context())
				req, _ := http.NewRequestWithContext(ctx, "POST", s.URL+route+c.query, strings.NewReader(script("endless")))
				req.Header.Set("Prefer", "wait=10")
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					if resp, err := s.Client().Do(req); err == nil {
						resp.Body.Close()
						t.Error("there was an answer")
					}
				}()
				<-s.queue.waiting
				leave()
				<-gone
				if c.cancel {
					select {
					case <-s.queue.canceled:
					case <-eventually(t).Done():
						t.Fatal("not canceled")
					}
					return
				}
				// Close waits for the handler, so that what it does after the client has gone is done.
				s.Close()
				if len(s.queue.canceled) > 0 {
					t.Error("canceled, and nobody asked for it")
				}
			})
		}
	}
	s := serve(t)
	s.do("POST", "/execute?cancel_on_disconnect=maybe", script("x")).wantError(400, "invalid_request", "cancel_on_disconnect must be 1 or 0")
}

func TestBusyAndUnavailable(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		err    error
		status int
		code   string
		retry  string
		says   string
	}{
		{&jobs.BusyError{Scope: "service", RetryAfter: 7 * time.Second}, 503, "queue_full", "7", "try again later"},
		{&jobs.BusyError{Scope: "service"}, 503, "queue_full", "1", "try again later"},
		{&jobs.BusyError{Scope: "key", RetryAfter: 1500 * time.Millisecond}, 429, "rate_limited", "2", "This key"},
		{fmt.Errorf("submit: %w: dial tcp 10.0.0.9:6379", jobs.ErrUnavailable), 503, "unavailable", "2", "cannot reach its queue"},
		{fmt.Errorf("submit: %w", context.DeadlineExceeded), 503, "unavailable", "2", "cannot reach its queue"},
		{fmt.Errorf("secret cause"), 500, "internal", "", "request id"},
	} {
		s.queue.set(func() { s.queue.err = c.err })
		for _, route := range []string{"/execute", "/jobs"} {
			a := s.do("POST", route, script("x"))
			a.wantError(c.status, c.code, c.says)
			if got := a.Header.Get("Retry-After"); got != c.retry {
				t.Errorf("%v: Retry-After %q, want %q", c.err, got, c.retry)
			}
			if strings.Contains(string(a.body), "secret") || strings.Contains(string(a.body), "10.0.0.9") {
				t.Errorf("the cause went to the client: %s", a.body)
			}
		}
	}
	s.queue.set(func() { s.queue.err = jobs.ErrUnavailable })
	for method, path := range map[string]string{"GET": "/jobs/a", "DELETE": "/jobs/a"} {
		s.do(method, path, "").wantError(503, "unavailable", "queue")
	}
	s.do("GET", "/jobs", "").wantError(503, "unavailable", "queue")
}
