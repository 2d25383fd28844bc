package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"safepy/internal/jobs"
)

const (
	defaultPage = 20
	maxPage     = 100
)

// summary is a job in a list: what it printed and returned can be megabytes, and is under its own address.
type summary struct {
	ID         string      `json:"id"`
	Status     jobs.Status `json:"status"`
	Error      *jobs.Error `json:"error"`
	Attempts   int         `json:"attempts"`
	CreatedAt  time.Time   `json:"created_at"`
	StartedAt  *time.Time  `json:"started_at"`
	FinishedAt *time.Time  `json:"finished_at"`
}

type page struct {
	Jobs []summary `json:"jobs"`
	// NextCursor is for the next page's cursor parameter; empty on the last page.
	NextCursor string `json:"next_cursor"`
}

// list shows the caller's recent jobs, newest first.
func (s *Server) list(c echo.Context) error {
	o, err := listOptions(c)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(c.Request().Context(), queuePatience)
	defer stop()
	found, err := s.queue.List(ctx, o)
	if err != nil {
		return err
	}
	out := page{Jobs: make([]summary, 0, len(found.Jobs)), NextCursor: found.Next}
	for _, j := range found.Jobs {
		out.Jobs = append(out.Jobs, summary{
			ID: j.ID, Status: j.Status, Error: j.Error, Attempts: j.Attempts,
			CreatedAt: j.CreatedAt, StartedAt: j.StartedAt, FinishedAt: j.FinishedAt,
		})
	}
	return send(c, http.StatusOK, out)
}

func listOptions(c echo.Context) (jobs.ListOptions, error) {
	o := jobs.ListOptions{Client: client(c), Limit: defaultPage, Cursor: c.QueryParam("cursor")}
	if raw := c.QueryParam("limit"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 || n > maxPage {
			return o, badRequest("limit must be a whole number from 1 to %d, not %q", maxPage, cut(raw, 32))
		}
		o.Limit = n
	}
	switch o.Status = jobs.Status(c.QueryParam("status")); o.Status {
	case "", jobs.Queued, jobs.Running, jobs.Completed, jobs.Failed, jobs.Canceled:
	default:
		return o, badRequest("status must be queued, running, completed, failed or canceled, not %q", cut(string(o.Status), 32))
	}
	return o, nil
}
