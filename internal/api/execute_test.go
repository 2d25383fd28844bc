package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"safepy/internal/jobs"
)

func TestExecuteAnswersExactlyResultAndStdout(t *testing.T) {
	s := serve(t)
	for i, c := range []struct{ result, stdout, want string }{
		{`{"message":"Hello, World!"}`, "", `{"result":{"message":"Hello, World!"},"stdout":""}`},
		{`null`, "a\nb", `{"result":null,"stdout":"a\nb"}`},
		{`123456789012345678901234567890`, "", `{"result":123456789012345678901234567890,"stdout":""}`},
		{`[1.10,1e400,-0.0,1E+2]`, "", `{"result":[1.10,1e400,-0.0,1E+2],"stdout":""}`},
		{`"<b>&\u2028é\ud800"`, "a < b && c > d é", `{"result":"<b>&\u2028é\ud800","stdout":"a < b && c > d é"}`},
		{`{"b":1,"a":2,"b":3}`, "", `{"result":{"b":1,"a":2,"b":3},"stdout":""}`},
	} {
		text := fmt.Sprint("script", i)
		s.queue.outcomes[text] = jobs.Outcome{
			Result: []byte(c.result), Stdout: c.stdout, Stderr: "warning", Usage: jobs.Usage{QueueMS: 0.25, SetupMS: 1, WallMS: 3.5},
		}
		begun := time.Now()
		a := s.do("POST", "/execute", script(text)).want(200)
		took := time.Since(begun)
		if got := strings.TrimSuffix(string(a.body), "\n"); got != c.want {
			t.Errorf("body %s\nwant %s", got, c.want)
		}
		timing, total, _ := strings.Cut(a.Header.Get("Server-Timing"), ", total;dur=")
		if want := "queue;dur=0.250, setup;dur=1.000, run;dur=3.500"; timing != want {
			t.Errorf("Server-Timing %q, want %q", timing, want)
		}
		if ms, err := strconv.ParseFloat(total, 64); err != nil || ms <= 0 || ms > took.Seconds()*1e3 {
			t.Errorf("a total of %q ms in %s", total, took)
		}
		if a.Header.Get("X-Job-Id") == "" || a.Header.Get("X-Request-Id") == "" || a.Header.Get("X-Truncated") != "" {
			t.Errorf("headers %v", a.Header)
		}
	}
}

func TestExecuteMarksWhatWasCut(t *testing.T) {
	s := serve(t)
	s.queue.outcomes["ok"] = jobs.Outcome{Result: []byte(`1`), Stdout: "xxx", Truncated: jobs.Truncated{Stdout: true, Stderr: true}}
	s.queue.outcomes["bad"] = jobs.Outcome{
		Stdout: "xxx", Stderr: "yyy", Truncated: jobs.Truncated{Stdout: true, Stderr: true}, Error: &jobs.Error{Code: jobs.Timeout, Message: "Script execution failed: timeout"},
	}
	a := s.do("POST", "/execute", script("ok")).want(200)
	if got, want := compact(t, a.body), `{"result":1,"stdout":"xxx\n[stdout truncated at 1048576 bytes]"}`; got != want {
		t.Errorf("body %s, want %s", got, want)
	}
	if got := a.Header.Get("X-Truncated"); got != "stdout,stderr" {
		t.Errorf("X-Truncated %q", got)
	}
	e := s.do("POST", "/execute", script("bad")).wantError(500, "timeout")
	if *e.Stdout != "xxx\n[stdout truncated at 1048576 bytes]" || *e.Stderr != "yyy\n[stderr truncated at 1048576 bytes]" {
		t.Errorf("stdout %q stderr %q", *e.Stdout, *e.Stderr)
	}
	var j wireJob
	s.do("POST", "/jobs", script("ok")).want(200).into(&j)
	if j.Stdout != "xxx" || !j.Truncated.Stdout || !j.Truncated.Stderr {
		t.Errorf("job %+v: its stdout must stay as it is", j)
	}
}

func TestExecuteErrors(t *testing.T) {
	s := serve(t)
	for code, status := range map[jobs.Code]int{
		jobs.SyntaxError: 400, jobs.NoMain: 400, jobs.DangerousImport: 400, jobs.InvalidResult: 400,
		jobs.Exception: 500, jobs.Timeout: 500, jobs.MemoryLimit: 500, jobs.OutputLimit: 500, jobs.Crashed: 500, jobs.Internal: 500,
	} {
		text := string(code)
		s.queue.outcomes[text] = jobs.Outcome{Stdout: "so far", Stderr: "oh", Error: &jobs.Error{
			Code: code, Message: "What <happened> & why", Type: "ValueError", Line: 3, SourceLine: "x = 1", Traceback: "Traceback",
		}}
		a := s.do("POST", "/execute", script(text))
		want := fmt.Sprintf(`{"error":"What <happened> & why","code":%q,"type":"ValueError","line":3,"source_line":"x = 1","traceback":"Traceback","stdout":"so far","stderr":"oh"}`, code)
		if a.want(status); compact(t, a.body) != want {
			t.Errorf("%s: body %s\nwant %s", code, a.body, want)
		}
		if a.Header.Get("X-Job-Id") == "" {
			t.Errorf("%s: no X-Job-Id", code)
		}
	}
	s.queue.outcomes["plain"] = jobs.Outcome{Error: &jobs.Error{Code: jobs.NoMain, Message: "Script must contain a main() function"}}
	a := s.do("POST", "/execute", script("plain")).want(400)
	if got, want := compact(t, a.body), `{"error":"Script must contain a main() function","code":"no_main"}`; got != want {
		t.Errorf("body %s, want %s", got, want)
	}
}

// TestNoInvalidJSONEver: whatever a queue hands over, half an answer or a NaN never leaves.
func TestNoInvalidJSONEver(t *testing.T) {
	s := serve(t)
	for _, result := range []string{"NaN", "[1, Infinity]", `{"a":`, "'x'"} {
		s.queue.outcomes[result] = jobs.Outcome{Result: []byte(result)}
		s.do("POST", "/execute", script(result)).wantError(500, "internal", "request id")
		s.do("POST", "/jobs", script(result)).wantError(500, "internal", "request id")
	}
}

func TestExecuteOfWhichTheWaitEndsFirst(t *testing.T) {
	s := serve(t, func(o *Options) { o.ExecuteWait = 10 * time.Millisecond })
	a := s.do("POST", "/execute", script("endless")).want(202)
	var j wireJob
	a.into(&j)
	if j.Status != "queued" || a.Header.Get("Location") != "/jobs/"+j.ID || a.Header.Get("X-Job-Id") != j.ID {
		t.Errorf("job %+v, headers %v", j, a.Header)
	}
	if string(j.Result) != "null" {
		t.Errorf("result %s", j.Result)
	}
	s.queue.finish(j.ID, jobs.Outcome{Result: []byte(`7`)})
	s.do("GET", a.Header.Get("Location"), "").want(200).into(&j)
	if j.Status != "completed" || string(j.Result) != "7" {
		t.Errorf("job %+v", j)
	}
	if n := s.queue.submitted(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

func TestExecuteCanceledMeanwhile(t *testing.T) {
	s := serve(t)
	go func() {
		id := <-s.queue.waiting
		s.queue.Cancel(t.Context(), id)
	}()
	s.do("POST", "/execute", script("endless")).wantError(409, "canceled", "canceled")
}

func TestExecutePassesTheRequestOn(t *testing.T) {
	s := serve(t)
	const text = "def main(**kw):\n    return kw  # é 😀"
	s.queue.outcomes[text] = jobs.Outcome{Result: []byte(`0`)}
	const args = `{"big": 123456789012345678901234567890, "f": 1.10, "s": "\u00e9é\ud83d\ude00 <&>", "lone": "\ud800", "n": null, "b": 1, "b": 2}`
	s.do("POST", "/execute", `{"script": "def main(**kw):\n    return kw  # é \ud83d\ude00", "args": `+args+`, "stdin": "a\nb",
		"files": [{"path": "d/in.csv", "content": "a,b"}, {"path": "x.bin", "content": "AAEC", "encoding": "base64"}],
		"limits": {"timeout_ms": 500, "memory_mb": 64}, "priority": "high"}`, "Idempotency-Key", "k1").want(200)
	r := s.queue.requests[0]
	if r.Script != text || string(r.Args) != args || r.Stdin != "a\nb" || r.Priority != jobs.High {
		t.Errorf("request %+v, args %s", r, r.Args)
	}
	if r.Limits != (jobs.Limits{TimeoutMS: 500, MemoryMB: 64}) {
		t.Errorf("limits %+v", r.Limits)
	}
	if len(r.Files) != 2 || r.Files[0].Path != "d/in.csv" || r.Files[1].Encoding != "base64" || r.Files[1].Content != "AAEC" {
		t.Errorf("files %+v", r.Files)
	}
	if o := s.queue.options[0]; o.IdempotencyKey != "k1" || o.Client != "" || !o.Reply {
		t.Errorf("options %+v", o)
	}
}

// TestExecuteTakesAnyContentType: curl -d without -H, and clients that send none at all.
func TestExecuteTakesAnyContentType(t *testing.T) {
	s := serve(t)
	s.queue.outcomes["x"] = jobs.Outcome{Result: []byte(`1`)}
	for _, ct := range []string{"", "application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json", "multipart/form-data; boundary=x", ";;;"} {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/execute", strings.NewReader("\ufeff "+script("x")+"\r\n"))
		if ct != "" {
			req.Header.Set("Content-Type", ct)
		}
		if s.send(req).StatusCode != 200 {
			t.Errorf("Content-Type %q refused", ct)
		}
	}
	s.do("POST", "/execute", "--x\r\nContent-Disposition: form-data; name=script\r\n\r\nprint(1)\r\n--x--\r\n", "Content-Type", "multipart/form-data; boundary=x").
		wantError(400, "invalid_request", "Invalid JSON", "multipart/form-data", `{"script":`)
	s.do("POST", "/execute", "script=print(1)", "Content-Type", "application/x-www-form-urlencoded").
		wantError(400, "invalid_request", "Invalid JSON", "x-www-form-urlencoded", `{"script":`)
	s.do("POST", "/execute", script("x"), "Content-Encoding", "gzip").wantError(415, "unsupported_encoding", "gzip", "Content-Encoding")
}
