package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"safepy/internal/config"
)

// Serve answers on the configured address until ctx ends, then takes no more connections, lets calls of /execute finish for
// at most SHUTDOWN_GRACE, and returns. It does not close the queue: whoever made it does, afterwards. More metrics are
// served beside its own.
func Serve(ctx context.Context, cfg config.API, q Queue, log *slog.Logger, more ...prometheus.Gatherer) error {
	o := OptionsFrom(cfg, log)
	o.Gatherers = more
	// Ends when ctx does, and also when serving fails.
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	o.Stopping = stopping

	listener, err := net.Listen("tcp", cfg.ListenAddr)
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	server := newHTTPServer(New(q, o), log)
	served := make(chan error, 1)
	go func() { served <- server.Serve(jsonRefusals{listener}) }()
	log.Info("listening", "addr", listener.Addr().String(), "keys", len(cfg.APIKeys))
	if len(cfg.APIKeys) == 0 {
		log.Warn("API_KEYS is empty: whoever reaches this address can run scripts")
	}

	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping", "grace", cfg.ShutdownGrace)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.ShutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		log.Warn("requests broken off: SHUTDOWN_GRACE is over", "error", err)
		err = server.Close()
		<-served
		return err
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// headerBytes is how long the headers of a request may be.
const headerBytes = 64 << 10

func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h,
		// No ReadTimeout and no WriteTimeout: both would count the wait for a job. Bodies and answers have deadlines of
		// their own where they are read and written.
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    headerBytes,
		// What net/http itself complains about is a client's doing: broken TLS, reset connections.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
