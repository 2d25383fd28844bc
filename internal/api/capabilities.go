package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"safepy/internal/jobs"
)

// capabilities is the body of GET /capabilities.
type capabilities struct {
	// Workers are those that live now, each with what its jails enforce.
	Workers []jobs.Worker `json:"workers"`
	Limits  limitsBody    `json:"limits"`
	// Queue is what there is room for.
	Queue jobs.Room `json:"queue"`
}

// limitsBody are the largest limits that a request may ask for, and those of the request itself.
type limitsBody struct {
	TimeoutMS    int   `json:"timeout_ms"`
	MemoryMB     int   `json:"memory_mb"`
	OutputBytes  int   `json:"output_bytes"`
	ScriptBytes  int   `json:"script_bytes"`
	RequestBytes int64 `json:"request_bytes"`
	BatchJobs    int   `json:"batch_jobs"`
	BatchBytes   int64 `json:"batch_bytes"`
}

// capabilities says what is enforced right now, by asking the workers' own word of it.
func (s *Server) capabilities(c echo.Context) error {
	ctx, stop := context.WithTimeout(c.Request().Context(), queuePatience)
	defer stop()
	workers, err := s.queue.Workers(ctx)
	if err != nil {
		return err
	}
	if workers == nil {
		workers = []jobs.Worker{}
	}
	room, err := s.queue.Room(ctx)
	if err != nil {
		return err
	}
	l := s.o.Limits
	return send(c, http.StatusOK, capabilities{
		Workers: workers, Queue: room,
		Limits: limitsBody{
			TimeoutMS: l.TimeoutMS, MemoryMB: l.MemoryMB, OutputBytes: s.o.OutputBytes, ScriptBytes: l.ScriptBytes, RequestBytes: l.RequestBytes,
			BatchJobs: s.o.Batch.Jobs, BatchBytes: s.o.Batch.Bytes,
		},
	})
}
