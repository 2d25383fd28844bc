package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
)

type status struct {
	Status string `json:"status"`
}

// health says that this process lives, and asks nobody else: a Redis that is away is no reason to restart the API.
func (s *Server) health(c echo.Context) error {
	return send(c, http.StatusOK, status{"healthy"})
}

// ready says whether a script sent now would be run.
func (s *Server) ready(c echo.Context) error {
	ctx, stop := context.WithTimeout(c.Request().Context(), queuePatience)
	defer stop()
	if err := s.queue.Ready(ctx); err != nil {
		e := failure(http.StatusServiceUnavailable, codeNotReady, "Not ready: %v", err)
		if unavailable(err) {
			// The cause names Redis' address, which is no business of whoever may ask this.
			e.body.Error = "Not ready: the queue does not answer"
		}
		e.cause = err
		return e
	}
	return send(c, http.StatusOK, status{"ready"})
}
