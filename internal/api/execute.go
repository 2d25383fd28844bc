package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"safepy/internal/jobs"
)

// executed is the whole body of a successful /execute.
type executed struct {
	Result json.RawMessage `json:"result"`
	Stdout string          `json:"stdout"`
	// ExitCode is there in mode program alone.
	ExitCode *int `json:"exit_code,omitempty"`
	// checked as in jobs.Job.
	checked bool
}

// execute runs a script and waits for it. When the wait is over first, the job goes on and the client is told where to look.
func (s *Server) execute(c echo.Context) error {
	begun := time.Now()
	onDisconnect, err := boolParam(c, "cancel_on_disconnect")
	if err != nil {
		return err
	}
	job, err := s.accept(c, s.o.ExecuteWait > 0, withoutCases)
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerJobID, job.ID)
	if wantsEvents(c.Request()) {
		return s.stream(c, job, jobs.Position{}, onDisconnect)
	}
	job, err = s.await(c.Request().Context(), c, job, s.o.ExecuteWait, onDisconnect)
	if err != nil {
		return err
	}
	s.metrics.executed(job)
	if !job.Status.Final() {
		return sendJob(c, http.StatusAccepted, job)
	}
	setOutcomeHeaders(c.Response().Header(), job, time.Since(begun))
	if job.Status == jobs.Completed {
		return send(c, http.StatusOK, executed{
			Result: job.Result, Stdout: s.marked(job.Stdout, "stdout", job.Truncated.Stdout), ExitCode: job.ExitCode,
			checked: job.ResultChecked,
		})
	}
	return s.outcomeError(job)
}

// outcomeError is the error answer for a job that ended badly, with what the script wrote until then.
func (s *Server) outcomeError(job *jobs.Job) error {
	e := &httpError{status: http.StatusInternalServerError, body: errorBody{
		Stdout: s.marked(job.Stdout, "stdout", job.Truncated.Stdout),
		Stderr: s.marked(job.Stderr, "stderr", job.Truncated.Stderr),
	}}
	switch f := job.Error; {
	case job.Status == jobs.Canceled:
		e.status, e.body.Error, e.body.Code = http.StatusConflict, "The job was canceled before it finished", codeCanceled
	case f == nil:
		e.body.Error, e.body.Code = "The job failed and left no reason", codeInternal
		e.cause = fmt.Errorf("job %s failed with no error in it", job.ID)
	default:
		if f.Code.ScriptIsWrong() {
			e.status = http.StatusBadRequest
		}
		e.body.Error, e.body.Code = f.Message, string(f.Code)
		e.body.Type, e.body.Line, e.body.SourceLine, e.body.Traceback = f.Type, f.Line, f.SourceLine, f.Traceback
		e.body.ExitCode, e.body.Limit = job.ExitCode, f.Limit
	}
	return e
}

// marked appends to a stream that it was cut. /execute has no other field to say so in.
func (s *Server) marked(stream, name string, truncated bool) string {
	if !truncated {
		return stream
	}
	return stream + fmt.Sprintf("\n[%s truncated at %d bytes]", name, s.o.OutputBytes)
}

// withoutCases is what may be asked of /execute, whose answer is that of one run.
func withoutCases(r *jobs.Request) error {
	if len(r.Cases) > 0 {
		return badRequest("cases are for POST /jobs, with Prefer: wait=N to wait for their end; send them there")
	}
	return nil
}

// anything may be asked.
func anything(*jobs.Request) error { return nil }

// accept decodes a request and queues its job. waits says that somebody will wait for it here.
func (s *Server) accept(c echo.Context, waits bool, check func(*jobs.Request) error) (*jobs.Job, error) {
	body, release, err := s.readBody(c)
	if err != nil {
		return nil, err
	}
	defer release()
	r, err := parseRequest(body, s.o.Limits)
	if err != nil {
		return nil, aboutContentType(err, c.Request())
	}
	if err := check(r); err != nil {
		return nil, err
	}
	key, err := idempotencyKey(c.Request())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), queuePatience)
	defer cancel()
	job, err := s.queue.Submit(ctx, r, jobs.SubmitOptions{
		Client: client(c), Address: s.address(c.Request()), IdempotencyKey: key, Reply: waits,
	})
	s.metrics.submitted(err)
	return job, err
}

// queuePatience is how long one question to the queue may take: with Redis away a client must hear so within 2 s.
const queuePatience = 1800 * time.Millisecond

// await waits for a job as long as the client may wait. A client that goes away leaves its job running, unless it asked for
// the contrary.
func (s *Server) await(ctx context.Context, c echo.Context, job *jobs.Job, atMost time.Duration, cancelOnDisconnect bool) (*jobs.Job, error) {
	if job.Status.Final() || atMost <= 0 {
		return job, nil
	}
	done, err := s.queue.Wait(ctx, job.ID, atMost)
	if err == nil {
		return done, nil
	}
	if c.Request().Context().Err() != nil && cancelOnDisconnect {
		s.cancelAbandoned(ctx, job.ID)
	}
	// The job is accepted all the same; whoever still listens is told where it is.
	c.Response().Header().Set(echo.HeaderLocation, location(job))
	return nil, err
}

// cancelAbandoned ends the job of a client that went away. The request's context is over, and that is the very reason.
func (s *Server) cancelAbandoned(ctx context.Context, id string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), queuePatience)
	defer stop()
	if _, err := s.queue.Cancel(ctx, id); err != nil {
		s.o.Log.WarnContext(ctx, "job of a client that went away not canceled", "job", id, "error", err)
	}
}

const (
	headerJobID        = "X-Job-Id"
	headerServerTiming = "Server-Timing"
	headerTruncated    = "X-Truncated"
)

// setOutcomeHeaders says in headers what the two fields of /execute have no room for. total is what the request took here.
func setOutcomeHeaders(h http.Header, job *jobs.Job, total time.Duration) {
	if u := job.Usage; u != nil {
		h.Set(headerServerTiming, fmt.Sprintf("queue;dur=%s, setup;dur=%s, run;dur=%s, total;dur=%s",
			ms(u.QueueMS), ms(u.SetupMS), ms(u.WallMS), ms(float64(total)/float64(time.Millisecond))))
	}
	var cut []string
	if job.Truncated.Stdout {
		cut = append(cut, "stdout")
	}
	if job.Truncated.Stderr {
		cut = append(cut, "stderr")
	}
	if len(cut) > 0 {
		h.Set(headerTruncated, strings.Join(cut, ","))
	}
}

func ms(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }
