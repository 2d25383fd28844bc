package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"safepy/internal/jobs"
)

// submit queues a job and answers at once, or waits as long as Prefer: wait=N asks.
func (s *Server) submit(c echo.Context) error {
	onDisconnect, err := boolParam(c, "cancel_on_disconnect")
	if err != nil {
		return err
	}
	wait, preferred := preferWait(c.Request().Header)
	job, err := s.accept(c, wait > 0, anything)
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerJobID, job.ID)
	if wantsEvents(c.Request()) {
		return s.stream(c, job, jobs.Position{}, onDisconnect)
	}
	if preferred {
		c.Response().Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(min(wait, s.o.ExecuteWait).Seconds())))
		if job, err = s.look(c, job, wait, onDisconnect); err != nil {
			return err
		}
	}
	status := http.StatusAccepted
	if job.Status.Final() {
		status = http.StatusOK
	}
	return sendJob(c, status, job)
}

func (s *Server) get(c echo.Context) error {
	wait, err := waitParam(c)
	if err != nil {
		return err
	}
	job, err := s.owned(c)
	if err != nil {
		return err
	}
	if job, err = s.look(c, job, wait, false); err != nil {
		return err
	}
	return send(c, http.StatusOK, job)
}

func (s *Server) cancel(c echo.Context) error {
	job, err := s.owned(c)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(c.Request().Context(), queuePatience)
	defer stop()
	if job, err = s.queue.Cancel(ctx, job.ID); err != nil {
		return err
	}
	return send(c, http.StatusOK, job)
}

// look waits for a job on behalf of one who can just as well come back: a stopping server sends it away with the job as it
// is, where calls of /execute are waited for.
func (s *Server) look(c echo.Context, job *jobs.Job, wait time.Duration, cancelOnDisconnect bool) (*jobs.Job, error) {
	request := c.Request().Context()
	ctx, stop := s.untilStopping(request)
	defer stop()
	seen, err := s.await(ctx, c, job, min(wait, s.o.ExecuteWait), cancelOnDisconnect)
	if err != nil && ctx.Err() != nil && request.Err() == nil {
		return s.find(c, job.ID)
	}
	return seen, err
}

// untilStopping is a request's context, ended when the server stops: for those who can just as well ask again elsewhere.
func (s *Server) untilStopping(request context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(request)
	if s.o.Stopping == nil {
		return ctx, cancel
	}
	detach := context.AfterFunc(s.o.Stopping, cancel)
	return ctx, func() {
		detach()
		cancel()
	}
}

// owned finds the job of the route's id. To all but the key that submitted it, it does not exist.
func (s *Server) owned(c echo.Context) (*jobs.Job, error) {
	job, err := s.find(c, c.Param("id"))
	if err != nil {
		return nil, err
	}
	if len(s.o.Keys) > 0 && job.Client != client(c) {
		return nil, jobs.ErrNotFound
	}
	c.Response().Header().Set(headerJobID, job.ID)
	return job, nil
}

func (s *Server) find(c echo.Context, id string) (*jobs.Job, error) {
	if !plausibleID(id) {
		return nil, jobs.ErrNotFound
	}
	ctx, stop := context.WithTimeout(c.Request().Context(), queuePatience)
	defer stop()
	return s.queue.Get(ctx, id)
}

// plausibleID keeps what cannot be an id out of Redis keys.
func plausibleID(id string) bool {
	for _, r := range id {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

// sendJob answers with a job that was just made, and where to find it later.
func sendJob(c echo.Context, status int, job *jobs.Job) error {
	c.Response().Header().Set(echo.HeaderLocation, location(job))
	return send(c, status, job)
}

func location(job *jobs.Job) string { return "/jobs/" + url.PathEscape(job.ID) }
