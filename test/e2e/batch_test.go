package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// place is one of a batch's answer: a job, or a refusal with the words and the code of one.
type place struct {
	job
	Error json.RawMessage `json:"error"`
	Code  string          `json:"code"`
}

// batch sends requests as one, with headers besides.
func (c *client) batch(t *testing.T, status int, requests []string, header ...string) []place {
	t.Helper()
	body := `{"jobs": [` + strings.Join(requests, ",") + `]}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/jobs/batch", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a := c.send(t, r)
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	var got struct{ Jobs []place }
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Jobs) != len(requests) {
		t.Fatalf("%d places for %d requests: %s", len(got.Jobs), len(requests), a.body)
	}
	return got.Jobs
}

func testBatch(t *testing.T, c *client) {
	const long = 300_000
	var requests []string
	for i := range 40 {
		requests = append(requests, fmt.Sprintf(`{"script": "def main(n):\n    print(n)\n    return n * n", "args": [%d]}`, i))
	}
	requests = append(requests, `{"script": ""}`, `7`, `{"script": "def main():\n    return [][0]"}`,
		fmt.Sprintf(`{"script": "def main():\n    print('x' * %d)"}`, long), `{"script": "print('a program')", "mode": "program"}`)
	got := c.batch(t, http.StatusOK, requests, "Prefer", "wait=30", "Idempotency-Key", "a batch")
	for i, p := range got[:40] {
		if p.Status != "completed" || string(p.Result) != fmt.Sprint(i*i) || p.Stdout != fmt.Sprintln(i) {
			t.Errorf("%d: %+v", i, p)
		}
	}
	for i, request := range requests[40:42] {
		alone := c.do(t, http.MethodPost, "/jobs", "", []byte(request)).failed(t, http.StatusBadRequest)
		var message string
		if p := got[40+i]; json.Unmarshal(p.Error, &message) != nil || message != alone.Error || p.Code != alone.Code || p.ID != "" {
			t.Errorf("%s: %+v, alone %+v", request, p, alone)
		}
	}
	if p := got[42]; p.Status != "failed" || !strings.Contains(string(p.Error), `"exception"`) {
		t.Errorf("the one that fails: %+v", p)
	}
	if p := got[43]; p.Status != "completed" || len(p.Stdout) != long+1 {
		t.Errorf("the one that prints much: %s, %d bytes", p.Status, len(p.Stdout))
	}
	if p := got[44]; p.Status != "completed" || p.Stdout != "a program\n" {
		t.Errorf("the program: %+v", p)
	}
	// Sent again, they are the same jobs; another batch is refused.
	again := c.batch(t, http.StatusOK, requests, "Prefer", "wait=30", "Idempotency-Key", "a batch")
	for i := range got {
		if got[i].ID != again[i].ID || string(got[i].Result) != string(again[i].Result) || got[i].Code != again[i].Code {
			t.Errorf("%d: %s %s, and again %s %s", i, got[i].ID, got[i].Result, again[i].ID, again[i].Result)
		}
	}
	other, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/jobs/batch", strings.NewReader(`{"jobs": [`+requests[0]+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	other.Header.Set("Idempotency-Key", "a batch")
	if f := c.send(t, other).failed(t, http.StatusConflict); f.Code != "idempotency_mismatch" {
		t.Errorf("another batch with the same key: %+v", f)
	}
	// Nobody waits: the jobs are there by their ids.
	later := c.batch(t, http.StatusAccepted, requests[:3])
	for i, p := range later {
		a := c.do(t, http.MethodGet, "/jobs/"+p.ID+"?wait=30", "", nil)
		var j job
		if err := json.Unmarshal(a.body, &j); err != nil || string(j.Result) != fmt.Sprint(i*i) {
			t.Errorf("%d: %s, %v", i, a.body, err)
		}
	}
}
