package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"safepy/internal/verdict"
)

// errCasesTime ends a run whose cases together take longer than they may.
var errCasesTime = errors.New("the cases' time is over")

const (
	// progressEvery is how often the cases that have ended are written down, at most: they are what is left where the worker is lost.
	progressEvery = time.Second
	// progressShare bounds the time that goes into it, to one part in so many.
	progressShare = 20
	// maxUnrun is how many cases in a row may fail for want of a jail before the job is given back.
	maxUnrun = 3
)

// runCases runs the script once for each case, one after the other. The error is the Runner's; the Outcome has what there is by then.
func (h *handler) runCases(ctx context.Context, c *claim, r *Request, active *activeRun) (*Outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.casesTimeout, errCasesTime)
	defer cancel()
	run := &casesRun{handler: h, claim: c, request: r, active: active, room: h.casesBytes, written: time.Now()}
	for i := range r.Cases {
		run.cases = append(run.cases, CaseOutcome{Name: r.Cases[i].Name, Status: CaseSkipped})
	}
	err := run.all(ctx)
	o := run.outcome()
	switch {
	case err != nil:
		return o, err
	case errors.Is(context.Cause(ctx), errCasesTime) && run.ended < len(r.Cases):
		o.Error = &Error{Code: Timeout, Limit: LimitWall, Message: fmt.Sprintf(
			"Script execution failed: timeout: %d of %d cases were done after %s, which all of them together may take (CASES_TIMEOUT)",
			run.ended, len(r.Cases), h.casesTimeout)}
	case ctx.Err() == nil:
		o.Result = json.RawMessage("null") // every case has an end
	}
	return o, nil
}

// casesRun is a job's cases on their way.
type casesRun struct {
	handler *handler
	claim   *claim
	request *Request
	active  *activeRun
	cases   []CaseOutcome
	// ended is how many have an end.
	ended int
	// room is how many bytes of what cases hand back are still kept.
	room  int
	usage Usage
	// written is when progress was, and rest how long it then need not be.
	written time.Time
	rest    time.Duration
}

// all runs the cases in their order until ctx ends.
func (r *casesRun) all(ctx context.Context) error {
	unrun := 0
	for i := range r.cases {
		o, err := r.handler.protected(ctx, r.request.only(i)) // the cases' own time bounds each of them
		if ctx.Err() != nil {
			return nil // what it was broken off in has no end of its own
		}
		if err == nil {
			unrun = 0
		} else if unrun++; unrun == maxUnrun {
			return err
		} else {
			r.handler.log.Error("case could not be run", "job", r.claim.id, "case", i, "error", err)
			o = &Outcome{Error: &Error{Code: Internal, Message: "the service could not run this case"}}
		}
		r.cases[i] = judged(&r.request.Cases[i], o)
		r.add(&o.Usage)
		r.fit(&r.cases[i])
		r.ended = i + 1
		r.active.caseEnded(&r.cases[i])
		if r.request.StopOnFailure && r.cases[i].failed() {
			r.ended = len(r.cases)
			return nil
		}
		r.progress()
	}
	return nil
}

// only is the request with one of its cases for an input.
func (r *Request) only(i int) *Request {
	c := &r.Cases[i]
	one := *r
	one.Cases, one.IsCase, one.Began = nil, true, nil
	if c.Args != nil {
		one.Args = c.Args
	}
	if c.Stdin != nil {
		one.Stdin = *c.Stdin
	}
	one.Files = slices.Concat(r.Files, c.Files)
	return &one
}

// judged is the outcome of a case, and whether it is what was expected.
func judged(c *Case, o *Outcome) CaseOutcome {
	out := CaseOutcome{
		Name: c.Name, Status: CaseCompleted, Result: o.Result, ExitCode: o.ExitCode, Stdout: o.Stdout, Stderr: o.Stderr, Error: o.Error,
		Files: o.Files, Outputs: o.Outputs, Usage: &o.Usage,
	}
	if o.Truncated != (Truncated{}) {
		out.Truncated = &CaseTruncated{Truncated: o.Truncated}
	}
	if o.Error != nil {
		out.Status = CaseFailed
	}
	if c.Expect == nil || o.Error != nil && o.Error.Code == Internal {
		return out // what has not been run has neither passed nor failed by what it did
	}
	out.Mismatch = mismatch(c.Expect, o)
	passed := out.Mismatch == ""
	out.Passed = &passed
	return out
}

// mismatch says what of a case is not as expected, or nothing. A program that has failed may be what was expected, by its exit code.
func mismatch(e *Expect, o *Outcome) string {
	switch {
	case e.ExitCode == nil && o.Error != nil:
		return "it has failed"
	case e.ExitCode != nil && o.ExitCode == nil:
		return fmt.Sprintf("it has no exit code, expected %d", *e.ExitCode)
	case e.ExitCode != nil && *o.ExitCode != *e.ExitCode:
		return fmt.Sprintf("the exit code is %d, expected %d", *o.ExitCode, *e.ExitCode)
	}
	if e.Stdout != nil {
		if o.Truncated.Stdout {
			return "stdout is longer than what is kept of it"
		}
		if d := verdict.Text(*e.Stdout, o.Stdout, e.Exact); d != "" {
			return d
		}
	}
	if e.Result == nil {
		return ""
	}
	result := o.Result
	if result == nil {
		result = json.RawMessage("null")
	}
	return verdict.Result(e.Result, result, e.Tolerance)
}

// add sums what the cases took; memory is that of the largest.
func (r *casesRun) add(u *Usage) {
	r.usage.SetupMS += u.SetupMS
	r.usage.WallMS += u.WallMS
	r.usage.CPUMS += u.CPUMS
	r.usage.MemoryPeakBytes = max(r.usage.MemoryPeakBytes, u.MemoryPeakBytes)
}

// shortCase is how long the message and the texts around an error may be once there is no room left.
const shortCase = 200

// fit keeps of a case what there is room for beside the cases before it, whatever has been judged by: first what is shortest said again.
func (r *casesRun) fit(c *CaseOutcome) {
	cut := func() *CaseTruncated {
		if c.Truncated == nil {
			c.Truncated = &CaseTruncated{}
		}
		return c.Truncated
	}
	take := func(n int) bool {
		if n > r.room {
			return false
		}
		r.room -= n
		return true
	}
	if e := c.Error; e != nil && !take(len(e.Message)+len(e.Traceback)+len(e.SourceLine)) {
		e.Message, e.Traceback, e.SourceLine = shortened(e.Message, shortCase), "", ""
	}
	if !take(len(c.Result)) {
		c.Result, cut().Result = nil, true
	}
	for _, s := range []struct {
		text *string
		cut  func(*CaseTruncated)
	}{
		{&c.Stdout, func(t *CaseTruncated) { t.Stdout = true }},
		{&c.Stderr, func(t *CaseTruncated) { t.Stderr = true }},
	} {
		if !take(len(*s.text)) {
			*s.text = beginning(*s.text, r.room)
			r.room -= len(*s.text)
			s.cut(cut())
		}
	}
	if !take(len(c.Outputs)) {
		c.Outputs, cut().Outputs = nil, true
	}
	for i := range c.Files {
		f := &c.Files[i]
		if f.Content != nil && !take(len(*f.Content)) {
			f.Content, f.Encoding, f.Reason = nil, "", TooLarge
			cut().Files = true
		}
	}
}

// outcome is what there is of the job so far.
func (r *casesRun) outcome() *Outcome { return &Outcome{Cases: r.cases, Usage: r.usage} }

// progress writes down how far the cases are, now and then: it is what a reader sees, and what remains where this worker is lost.
func (r *casesRun) progress() {
	begun := time.Now()
	if r.ended == len(r.cases) || begun.Sub(r.written) < max(progressEvery, r.rest) {
		return
	}
	text, err := encode(r.cases)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
		defer cancel()
		err = r.handler.broker.progress(ctx, r.claim, text)
	}
	if err != nil {
		r.handler.log.Warn("progress of a job's cases not written", "job", r.claim.id, "error", err)
	}
	r.written = time.Now()
	r.rest = progressShare * r.written.Sub(begun)
}
