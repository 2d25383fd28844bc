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
	level, open := openTo(listener.Addr(), len(cfg.APIKeys))
	log.Log(ctx, level, "listening", "addr", listener.Addr().String(), "keys", len(cfg.APIKeys), "open_to", open)

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

// openTo says plainly who can run scripts here.
func openTo(listening net.Addr, keys int) (slog.Level, string) {
	local := false
	if tcp, ok := listening.(*net.TCPAddr); ok {
		local = tcp.IP.IsLoopback()
	}
	switch {
	case keys > 0 && local:
		return slog.LevelInfo, "whoever is on this machine and has a key; for others set LISTEN_ADDR, such as :8080"
	case keys > 0:
		return slog.LevelInfo, "whoever reaches this address and has a key"
	case local:
		return slog.LevelInfo, "whoever is on this machine; for others set API_KEYS, or LISTEN_ADDR such as :8080"
	}
	return slog.LevelWarn, "whoever reaches this address: API_KEYS is empty"
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
