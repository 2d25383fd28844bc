package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func intp(n int) *int              { return &n }
func textp(s string) *string       { return &s }
func raw(s string) json.RawMessage { return json.RawMessage(s) }

// echoCase returns its args, prints its stdin, and does what its stdin says.
func echoCase(ctx context.Context, r *Request) (*Outcome, error) {
	o := &Outcome{Stdout: r.Stdin, Usage: Usage{WallMS: 1, CPUMS: 2, MemoryPeakBytes: int64(len(r.Stdin))}}
	switch {
	case r.Stdin == "raise":
		o.Error = &Error{Code: Exception, Message: "ValueError", Traceback: strings.Repeat("x", 100)}
		if r.Mode == Program {
			o.ExitCode = intp(1)
		}
	case r.Stdin == "no jail":
		return nil, errors.New("no jail")
	case r.Stdin == "hang":
		<-ctx.Done()
		return &Outcome{Stdout: "so far"}, nil
	case r.Mode == Program:
		o.ExitCode, o.Result = intp(len(r.Stdin)), raw("null")
	default:
		o.Result = r.Args
	}
	return o, nil
}

func submitCases(t *testing.T, q *Queue, r *Request) *Job {
	t.Helper()
	r.Script = "x"
	j, err := q.Submit(t.Context(), r, SubmitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func statuses(j *Job) string {
	var said []string
	for _, c := range j.Cases {
		s := string(c.Status)
		if c.Passed != nil {
			s += fmt.Sprintf(" %v", *c.Passed)
		}
		said = append(said, s)
	}
	return strings.Join(said, ", ")
}

func TestCases(t *testing.T) {
	t.Parallel()
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	serve(t, rdb, runnerFunc(echoCase), ServerOptions{Concurrency: 2, CasesBytes: 400})
	for _, c := range []struct {
		name    string
		request Request
		want    string
		summary Summary
		look    func(*testing.T, *Job)
	}{
		{"verdicts", Request{Args: raw("[1]"), Stdin: "in", Cases: []Case{
			{Name: "as it is"},
			{Args: raw("[2]"), Expect: &Expect{Result: raw("[2.0]")}},
			{Stdin: textp(""), Expect: &Expect{Result: raw("[1]"), Stdout: textp("")}},
			{Expect: &Expect{Stdout: textp("in\n")}},
			{Expect: &Expect{Stdout: textp("in\n"), Exact: true}},
			{Args: raw("[0.30000000001]"), Expect: &Expect{Result: raw("[0.3]"), Tolerance: 1e-9}},
			{Stdin: textp("raise"), Expect: &Expect{Stdout: textp("raise")}},
			{Stdin: textp("raise")},
		}}, "completed, completed true, completed true, completed true, completed false, completed true, failed false, failed",
			Summary{Total: 8, Passed: 5, Failed: 3}, func(t *testing.T, j *Job) {
				if j.Cases[0].Name != "as it is" || string(j.Cases[1].Result) != "[2]" || j.Cases[4].Mismatch == "" || j.Usage.WallMS != 8 || j.Usage.MemoryPeakBytes != 5 {
					t.Errorf("%+v, %+v", j.Cases, j.Usage)
				}
			}},
		{"programs", Request{Mode: Program, Cases: []Case{
			{Stdin: textp("abc"), Expect: &Expect{ExitCode: intp(3)}},
			{Stdin: textp("raise"), Expect: &Expect{ExitCode: intp(1), Stdout: textp("raise")}},
			{Stdin: textp("raise"), Expect: &Expect{ExitCode: intp(0)}},
		}}, "completed true, failed true, failed false", Summary{Total: 3, Passed: 2, Failed: 1}, nil},
		{"stop on failure", Request{StopOnFailure: true, Args: raw("[]"), Cases: []Case{
			{}, {Expect: &Expect{Stdout: textp("no")}}, {}, {},
		}}, "completed, completed false, skipped, skipped", Summary{Total: 4, Passed: 1, Failed: 1, Skipped: 2}, nil},
		{"the service's fault", Request{Args: raw("[]"), Cases: []Case{
			{Stdin: textp("no jail"), Expect: &Expect{Stdout: textp("")}}, {},
		}}, "failed, completed", Summary{Total: 2, Passed: 1, Failed: 1}, func(t *testing.T, j *Job) {
			if e := j.Cases[0].Error; e == nil || e.Code != Internal {
				t.Errorf("%+v", e)
			}
		}},
		{"more than is kept", Request{Args: raw(`["` + strings.Repeat("r", 200) + `"]`), Cases: []Case{
			{Stdin: textp("raise")}, {}, {Stdin: textp(strings.Repeat("é", 100))}, {Stdin: textp("é")}, {Stdin: textp("raise"), Expect: &Expect{ExitCode: intp(1)}},
		}}, "failed, completed, completed, completed, failed false", Summary{Total: 5, Passed: 3, Failed: 2}, func(t *testing.T, j *Job) {
			kept := 0
			for _, c := range j.Cases {
				kept += len(c.Stdout)
				if string(c.Result) != "null" {
					kept += len(c.Result)
				}
				if c.Error != nil {
					kept += len(c.Error.Traceback)
				}
			}
			if last := j.Cases[3]; kept > 400 || !last.Truncated.Result || j.Cases[2].Truncated == nil || !j.Cases[2].Truncated.Stdout {
				t.Errorf("%d bytes kept, %+v", kept, j.Cases)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := wait(t, q, submitCases(t, q, &c.request).ID)
			if j.Status != Completed || statuses(j) != c.want || *j.Summary != c.summary || string(j.Result) != "null" {
				t.Errorf("%s %+v: %s, %+v", j.Status, j.Error, statuses(j), j.Summary)
			}
			if c.look != nil {
				c.look(t, j)
			}
		})
	}
}

// Whatever ends a job between its cases, those that have an end are kept.
func TestCasesBrokenOff(t *testing.T) {
	t.Parallel()
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	t.Run("timeout", func(t *testing.T) {
		stop := serve(t, rdb, runnerFunc(echoCase), ServerOptions{Concurrency: 1, CasesTimeout: 200 * time.Millisecond})
		defer stop()
		j := wait(t, q, submitCases(t, q, &Request{Args: raw("[]"), Cases: []Case{{}, {Stdin: textp("hang")}, {}}}).ID)
		if j.Status != Failed || j.Error.Code != Timeout || j.Error.Limit != LimitWall || !strings.Contains(j.Error.Message, "1 of 3 cases") ||
			statuses(j) != "completed, skipped, skipped" {
			t.Errorf("%s %+v: %s", j.Status, j.Error, statuses(j))
		}
	})
	t.Run("canceled", func(t *testing.T) {
		hangs := make(chan struct{}, 1)
		stop := serve(t, rdb, runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
			if r.Stdin == "hang" {
				hangs <- struct{}{}
			}
			return echoCase(ctx, r)
		}), ServerOptions{Concurrency: 1})
		defer stop()
		id := submitCases(t, q, &Request{Args: raw("[]"), Cases: []Case{{}, {Stdin: textp("hang")}, {}}}).ID
		<-hangs
		j, err := q.Cancel(t.Context(), id)
		if err != nil || j.Status != Canceled || statuses(j) != "completed, skipped, skipped" || j.Error != nil {
			t.Errorf("%+v, %v: %s", j, err, statuses(j))
		}
	})
	t.Run("no jail for any", func(t *testing.T) {
		stop := serve(t, rdb, runnerFunc(echoCase), ServerOptions{Concurrency: 1})
		defer stop()
		bad := Case{Stdin: textp("no jail")}
		j := wait(t, q, submitCases(t, q, &Request{Args: raw("[]"), Cases: []Case{{}, bad, bad, bad, {}}}).ID)
		if j.Status != Failed || j.Error.Code != Internal || j.Attempts != maxErrors {
			t.Errorf("%s %+v, %d attempts", j.Status, j.Error, j.Attempts)
		}
	})
}

// How far the cases are is written down, by the run that has the job alone.
func TestCasesProgress(t *testing.T) {
	t.Parallel()
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	hangs, goOn := make(chan struct{}, 1), make(chan struct{})
	serve(t, rdb, runnerFunc(func(ctx context.Context, r *Request) (*Outcome, error) {
		if r.Stdin == "hang" {
			hangs <- struct{}{}
			<-goOn
		}
		return &Outcome{Result: raw("1")}, nil
	}), ServerOptions{Concurrency: 1})
	id := submitCases(t, q, &Request{Cases: []Case{{}, {Stdin: textp("hang")}, {}}}).ID
	<-hangs
	j, err := q.Get(t.Context(), id)
	if err != nil || j.Status != Running {
		t.Fatalf("%+v, %v", j, err)
	}
	l, _ := laneOf(id)
	text := []byte(`[{"name":"seen","status":"completed","result":1}]`)
	note := func(start string) {
		if err := progressScript.Run(t.Context(), rdb, []string{l.record(id)}, start, text).Err(); err != nil {
			t.Fatal(err)
		}
	}
	note("1")
	if j, err := q.Get(t.Context(), id); err != nil || j.Cases != nil {
		t.Errorf("another run's word counts: %+v, %v", j, err)
	}
	note(rdb.HGet(t.Context(), l.record(id), "st").Val())
	if j, err := q.Get(t.Context(), id); err != nil || statuses(j) != "completed" || j.Summary.Total != 1 {
		t.Errorf("%+v, %v", j, err)
	}
	close(goOn)
	if j := wait(t, q, id); statuses(j) != "completed, completed, completed" {
		t.Errorf("%s", statuses(j))
	}
	note(rdb.HGet(t.Context(), l.record(id), "st").Val())
	if j, err := q.Get(t.Context(), id); err != nil || len(j.Cases) != 3 {
		t.Errorf("a finished job's cases have changed: %+v, %v", j, err)
	}
}
