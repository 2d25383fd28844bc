package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"safepy/internal/config"
	"safepy/internal/jobs"
)

// batchOf makes a batch of requests as they are written.
func batchOf(requests ...string) string { return `{"jobs": [` + strings.Join(requests, ", ") + `]}` }

// wirePlace is one place of a batch's answer: a job, or a refusal, whose error is its message.
type wirePlace struct {
	ID     string          `json:"id"`
	Status string          `json:"status"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
	Code   string          `json:"code"`
}

func (a *answerOf) places(n int) []wirePlace {
	a.t.Helper()
	var body struct{ Jobs []wirePlace }
	if a.into(&body); len(body.Jobs) != n {
		a.t.Fatalf("%d places, want %d: %s", len(body.Jobs), n, a.body)
	}
	return body.Jobs
}

func TestBatch(t *testing.T) {
	s := serve(t)
	a := s.do("POST", "/jobs/batch", batchOf(script("one"), script("two"))).want(202)
	for i, p := range a.places(2) {
		if p.ID != fmt.Sprintf("job-%d", i+1) || p.Status != "queued" || string(p.Error) != "null" {
			t.Errorf("%d: %+v", i, p)
		}
	}
	if s.queue.requests[1].Script != "two" || s.queue.options[1].Reply {
		t.Errorf("%+v, %+v", s.queue.requests[1], s.queue.options[1])
	}
	if a.ContentLength != int64(len(a.body)) || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Preference-Applied") != "" {
		t.Errorf("headers %v", a.Header)
	}
}

// TestBatchRefusals: what is wrong with one request stands in its place, in the words that it would hear alone.
func TestBatchRefusals(t *testing.T) {
	small := func(o *Options) { o.Limits.RequestBytes, o.Limits.ScriptBytes = 400, 300 }
	wrong := []string{
		`7`, `null`, `[]`, `"script"`, `{}`, `{"script": 1}`, `{"script": " "}`, `{"script": "x", "sript": 1}`, `{"script": "x", "script": "y"}`,
		`{"script": "x", "limits": {"timeout_ms": 99999}}`, `{"script": "x", "priority": "urgent"}`, `{"script": "x", "files": [{"path": "/a", "content": ""}]}`,
		`{"script": "\ud800"}`, script(strings.Repeat("x", 350)), script(strings.Repeat("x", 500)), `{"script": "x", "jobs": []}`,
	}
	s := serve(t, small, func(o *Options) { o.Batch.Bytes = 1 << 20 })
	got := s.do("POST", "/jobs/batch", batchOf(append(wrong, script("right"))...)).want(202).places(len(wrong) + 1)
	for i, one := range wrong {
		alone := s.do("POST", "/jobs", one)
		var want wireError
		alone.into(&want)
		var message string
		if err := json.Unmarshal(got[i].Error, &message); err != nil || message != want.Error || got[i].Code != want.Code || alone.StatusCode < 400 {
			t.Errorf("%s: %s %s, alone %d %s %s", one, got[i].Error, got[i].Code, alone.StatusCode, want.Error, want.Code)
		}
	}
	if last := got[len(wrong)]; last.ID == "" || last.Status != "queued" {
		t.Errorf("the right one: %+v", last)
	}
	deep := `{"script": "x", "args": ` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `}`
	tooDeep := `{"script": "x", "args": ` + strings.Repeat("[", 2*maxDepth) + strings.Repeat("]", 2*maxDepth) + `}`
	s = serve(t)
	if got := s.do("POST", "/jobs/batch", batchOf(tooDeep, deep)).want(202).places(2); got[0].Code != "invalid_request" || got[1].Status != "queued" {
		t.Errorf("%+v", got)
	}
}

// TestBatchAsAWhole: what is wrong with all of it.
func TestBatchAsAWhole(t *testing.T) {
	s := serve(t, func(o *Options) { o.Batch = BatchLimits{Jobs: 3, Bytes: 2000} })
	for _, c := range []struct {
		body   string
		status int
		parts  []string
	}{
		{``, 400, []string{"is empty", `{"jobs": [`}},
		{`[]`, 400, []string{"must be a JSON object, not an array", `{"jobs": [`}},
		{`{"jobs": [}`, 400, []string{"Invalid JSON"}},
		{`{}`, 400, []string{"jobs is missing", `{"jobs": [`}},
		{`{"jobs": {}}`, 400, []string{"jobs must be an array of requests, not an object"}},
		{`{"jobs": null}`, 400, []string{"not null"}},
		{`{"jobs": []}`, 400, []string{"jobs is empty"}},
		{`{"jobs": [], "wait": 1}`, 400, []string{"wait is not a known field"}},
		{`{"jobs": [1], "jobs": [2]}`, 400, []string{"jobs is given twice"}},
		{batchOf("1", "2", "3", "4"), 413, []string{"4 requests and at most 3 are accepted"}},
		{batchOf(script(strings.Repeat("x", 2000))), 413, []string{"longer than the 2000 bytes"}},
	} {
		code := "invalid_request"
		if c.status == 413 {
			code = "too_large"
		}
		s.do("POST", "/jobs/batch", c.body).wantError(c.status, code, c.parts...)
	}
	s.do("POST", "/jobs/batch", batchOf(script("x")), "Idempotency-Key", "").wantError(400, "invalid_request", "Idempotency-Key")
	s.do("POST", "/jobs/batch", "script=1", "Content-Type", "application/x-www-form-urlencoded").wantError(400, "invalid_request", "the request says it is")
	s.do("PUT", "/jobs/batch", batchOf(script("x"))).wantError(405, "method_not_allowed", "PUT")
	if n := s.queue.submitted(); n != 0 {
		t.Errorf("%d jobs", n)
	}
	s.do("POST", "/jobs/batch", batchOf(script("a"), script("b"), script("c"))).want(202).places(3)
}

func TestBatchWaits(t *testing.T) {
	s := serve(t)
	for i := range 10 {
		s.queue.outcomes[fmt.Sprint(i)] = jobs.Outcome{Result: []byte(fmt.Sprint(i))}
	}
	s.queue.outcomes["wrong"] = jobs.Outcome{Error: &jobs.Error{Code: jobs.Exception, Message: "Script execution failed: x"}}
	requests := []string{`{}`}
	for i := range 10 {
		requests = append(requests, script(fmt.Sprint(i)))
	}
	requests = append(requests, script("wrong"))
	a := s.do("POST", "/jobs/batch", batchOf(requests...), "Prefer", "wait=5").want(200)
	got := a.places(12)
	if got[0].Code != "invalid_request" || got[11].Status != "failed" || !strings.Contains(string(got[11].Error), `"exception"`) {
		t.Errorf("%+v, %+v", got[0], got[11])
	}
	for i, p := range got[1:11] {
		if p.Status != "completed" || string(p.Result) != fmt.Sprint(i) {
			t.Errorf("%d: %+v", i, p)
		}
	}
	if a.Header.Get("Preference-Applied") != "wait=5" || !s.queue.options[0].Reply {
		t.Errorf("headers %v", a.Header)
	}
	// Not all are final when the time is over.
	got = s.do("POST", "/jobs/batch", batchOf(script("1"), script("endless")), "Prefer", "wait=0.01").want(202).places(2)
	if got[0].Status != "completed" || got[1].Status != "queued" {
		t.Errorf("%+v", got)
	}
}

func TestBatchIdempotencyKey(t *testing.T) {
	s := serve(t)
	first := s.do("POST", "/jobs/batch", batchOf(script("a"), `{}`, script("b")), "Idempotency-Key", "k").want(202).places(3)
	again := s.do("POST", "/jobs/batch", batchOf(script("a"), `{}`, script("b")), "Idempotency-Key", "k").want(202).places(3)
	if first[0].ID != again[0].ID || first[2].ID != again[2].ID || again[1].Code != "invalid_request" || again[0].Status != "queued" || s.queue.submitted() != 2 {
		t.Errorf("%+v\n%+v", first, again)
	}
	s.do("POST", "/jobs/batch", batchOf(script("a"), `{}`, script("c")), "Idempotency-Key", "k").wantError(409, "idempotency_mismatch")
}

// TestBatchQueueTrouble: a queue that has no room refuses in each place and says once when to come again; one that is away is the answer to all.
func TestBatchQueueTrouble(t *testing.T) {
	s := serve(t)
	s.queue.set(func() { s.queue.err = &jobs.BusyError{Scope: "key", RetryAfter: 7 * time.Second} })
	a := s.do("POST", "/jobs/batch", batchOf(script("a"), script("b"))).want(202)
	if got := a.places(2); got[0].Code != "rate_limited" || got[1].Code != "rate_limited" || a.Header.Get("Retry-After") != "7" {
		t.Errorf("%+v, %v", got, a.Header)
	}
	s.queue.set(func() { s.queue.err = fmt.Errorf("submit: %w: gone", jobs.ErrUnavailable) })
	if a := s.do("POST", "/jobs/batch", batchOf(script("a"), `{}`)); a.Header.Get("Retry-After") != "2" {
		t.Errorf("headers %v", a.Header)
	} else {
		a.wantError(503, "unavailable")
	}
	s.queue.set(func() { s.queue.err = errors.New("broken") })
	if got := s.do("POST", "/jobs/batch", batchOf(script("a"))).want(202).places(1); got[0].Code != "internal" {
		t.Errorf("%+v", got)
	}
}

// TestBatchIsLong: an answer that is longer than what is sent at once comes in pieces, and whole.
func TestBatchIsLong(t *testing.T) {
	s := serve(t)
	long, requests := strings.Repeat("<é\n", pieceBytes/4), []string{}
	for i := range 20 {
		s.queue.outcomes[fmt.Sprint(i)] = jobs.Outcome{Result: []byte(fmt.Sprint(i)), Stdout: long}
		requests = append(requests, script(fmt.Sprint(i)))
	}
	a := s.do("POST", "/jobs/batch", batchOf(requests...), "Prefer", "wait=5").want(200)
	var body struct{ Jobs []wireJob }
	a.into(&body)
	if a.ContentLength != -1 || len(body.Jobs) != 20 {
		t.Fatalf("length %d, %d jobs", a.ContentLength, len(body.Jobs))
	}
	for i, j := range body.Jobs {
		if j.Stdout != long || string(j.Result) != fmt.Sprint(i) {
			t.Errorf("%d: %d bytes, result %s", i, len(j.Stdout), j.Result)
		}
	}
}

func TestBatchNeedsAKey(t *testing.T) {
	s := serve(t, func(o *Options) { o.Keys = config.APIKeys{key("ann", "a-secret")} })
	s.do("POST", "/jobs/batch", batchOf(script("a"))).wantError(http.StatusUnauthorized, "unauthorized")
}
