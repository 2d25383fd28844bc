package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"safepy/internal/gopool"
)

// Why a run was ended before the script's own end.
var (
	errCanceled  = errors.New("canceled")
	errStopping  = errors.New("worker stops")
	errLeaseLost = errors.New("lease lost")
	errOverrun   = errors.New("script outlived its timeout")
)

const (
	// overrun is what a run may take beyond the job's timeout: setup, and the Runner's own killing.
	overrun = 10 * time.Second
	// errorRest holds a slot after its Runner failed, so that another worker gets the job.
	errorRest = 500 * time.Millisecond
)

// handler runs the jobs that the broker has taken, and writes how they ended.
type handler struct {
	broker  *broker
	run     Runner
	timeout time.Duration
	// casesTimeout is for all cases of a job together, casesBytes what is kept of what they hand back.
	casesTimeout time.Duration
	casesBytes   int
	log          *slog.Logger

	jobs context.Context // ends when the running jobs must
	stop context.CancelCauseFunc

	mu      sync.Mutex
	running map[string]*activeRun

	goroutines *gopool.Pool
}

func newHandler(b *broker, run Runner, timeout time.Duration, log *slog.Logger) *handler {
	ctx, stop := context.WithCancelCause(context.Background())
	return &handler{
		broker: b, run: run, timeout: timeout, log: log, jobs: ctx, stop: stop, running: map[string]*activeRun{}, goroutines: gopool.New(),
	}
}

// abort ends all running jobs; they go back into the queue.
func (h *handler) abort() { h.stop(errStopping) }

// ProcessTask is asynq's handler. It returns an error only when the job could neither be ended nor given back, and then
// the end of its lease brings it back.
func (h *handler) ProcessTask(ctx context.Context, task *asynq.Task) error {
	id := task.ResultWriter().TaskID()
	ended := make(chan error, 1)
	h.goroutines.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				ended <- fmt.Errorf("job %s: panic: %v\n%s", id, p, debug.Stack())
			}
		}()
		ended <- h.process(ctx, id)
	})
	return <-ended
}

func (h *handler) process(ctx context.Context, id string) error {
	c := h.broker.slots.claimed(id)
	if c == nil {
		return fmt.Errorf("job %s: not taken by this worker", id)
	}
	defer h.broker.slots.vacate(c)
	jobCtx, end := context.WithCancelCause(h.jobs)
	defer end(nil)
	// asynq's context ends when the lease does: somebody else has the job then.
	defer context.AfterFunc(ctx, func() { end(errLeaseLost) })()
	run := h.began(c, end)
	defer h.ended(c)
	defer run.endLive()

	r := &Request{}
	if err := json.Unmarshal([]byte(c.request), r); err != nil {
		h.log.Error("request cannot be read", "job", id, "error", err)
		return h.finish(c, Failed, &Outcome{Error: &Error{Code: Internal, Message: "the request could not be read"}})
	}
	c.request = "" // megabytes, perhaps
	r.Began = run.outputBegan
	if c.watched {
		run.watch()
	}
	var o *Outcome
	var err error
	if len(r.Cases) > 0 {
		o, err = h.runCases(jobCtx, c, r, run)
	} else {
		o, err = h.runOnce(jobCtx, r)
	}
	return h.conclude(c, o, err, context.Cause(jobCtx))
}

// runOnce runs a script, and ends what the Runner has not ended in time.
func (h *handler) runOnce(ctx context.Context, r *Request) (*Outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.timeout+overrun, errOverrun)
	defer cancel()
	o, err := h.protected(ctx, r)
	if err == nil && errors.Is(context.Cause(ctx), errOverrun) && o.Error == nil && len(o.Result) == 0 {
		o.Error = &Error{Code: Timeout, Limit: LimitWall, Message: "the script did not end in time"}
	}
	return o, err
}

// protected turns a panic of the Runner into its error.
func (h *handler) protected(ctx context.Context, r *Request) (o *Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("runner panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	o, err = h.run.Run(ctx, r)
	if err == nil && o == nil {
		err = errors.New("neither outcome nor error")
	}
	return o, err
}

// conclude decides what becomes of a job after a run, by what ended it.
func (h *handler) conclude(c *claim, o *Outcome, err, cause error) error {
	if err == nil && o.Error == nil && len(o.Result) > 0 {
		return h.finish(c, Completed, o) // it was faster than whatever wanted to end it
	}
	switch {
	case errors.Is(cause, errCanceled):
		if o == nil {
			o = &Outcome{}
		}
		o.Error, o.Result = nil, nil
		return h.finish(c, Canceled, o)
	case errors.Is(cause, errLeaseLost):
		h.log.Warn("lease lost: the job runs again elsewhere", "job", c.id)
		h.broker.slots.unlist() // a slot is free that Redis does not know of
		return nil
	case errors.Is(cause, errStopping):
		return h.release(c, asStopped, nil)
	case err != nil:
		h.log.Error("job could not be run", "job", c.id, "attempt", c.attempt, "error", err)
		return h.release(c, asLost, err)
	}
	if o.Error != nil {
		return h.finish(c, Failed, o)
	}
	o.Result = json.RawMessage("null")
	return h.finish(c, Completed, o)
}

// finish writes the outcome, however long Redis needs to take it, and only gives up when the worker must go. If the lease runs out
// meanwhile the job may have been given to somebody else; the first outcome stands. One that is small is written though Redis is full; one
// that is not, and that there is no room for, is replaced by a failure that is, so that the job has an end and its slot is free.
func (h *handler) finish(c *claim, status Status, o *Outcome) error {
	end, err := h.ending(c, status, o)
	if err != nil {
		return err
	}
	return h.persist(c, func(ctx context.Context) error {
		won, err := h.broker.finish(ctx, c, end)
		if (isFull(err) || errors.Is(err, errNoRoom)) && !end.reserve {
			if end.size() > smallOutcome {
				h.log.Warn("outcome not kept: there is no room for it", "job", c.id, "bytes", end.size(), "error", err)
				if end, err = h.ending(c, Failed, noRoom(o, end.size())); err != nil {
					return err
				}
			}
			end.reserve = true
			won, err = h.broker.finish(ctx, c, end)
		}
		if err != nil {
			return err
		}
		if !won {
			h.log.Warn("outcome dropped: the job had ended before", "job", c.id, "attempt", c.attempt)
		}
		if c.client != "" {
			// Left behind, it is found by the client's next submission at its limit.
			_ = h.broker.ZRem(ctx, clientJobs(c.client), c.id).Err()
		}
		return nil
	})
}

func (h *handler) release(c *claim, as string, cause error) error {
	message := ""
	if cause != nil {
		message = "no worker could run this job"
	}
	err := h.persist(c, func(ctx context.Context) error {
		return h.broker.release(ctx, c.pending, c.id, startOf(c), as, maxErrors, Internal, message)
	})
	if as == asLost {
		h.broker.waiter.pause(errorRest)
	}
	return err
}

// persist repeats a write until Redis takes it. A stopping worker waits for stopPatience.
func (h *handler) persist(c *claim, write func(context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(h.jobs, func() { time.AfterFunc(stopPatience, cancel) })()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := write(ctx)
		if err == nil {
			return nil
		}
		h.log.Warn("outcome not written yet", "job", c.id, "error", err)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("job %s: %w", c.id, err)
		}
	}
}
