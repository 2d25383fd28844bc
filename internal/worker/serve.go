package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"

	"safepy/internal/config"
	"safepy/internal/jail"
	"safepy/internal/jobs"
)

// OpenPool starts the jails that cfg asks for and returns when all of them are warm.
func OpenPool(ctx context.Context, cfg config.Worker, log *slog.Logger) (*jail.Pool, error) {
	return jail.Open(ctx, jailConfig(cfg, log))
}

// OpenPoolFor starts the one jail that a script needs.
func OpenPoolFor(ctx context.Context, cfg config.Worker, script string, log *slog.Logger) (*jail.Pool, error) {
	c := jailConfig(cfg, log)
	c.Slots, c.For = 1, &jail.Job{Script: script}
	return jail.Open(ctx, c)
}

func jailConfig(cfg config.Worker, log *slog.Logger) jail.Config {
	c := jail.Config{
		Python: cfg.JailPython, Preload: cfg.JailPreload, Slots: cfg.Slots(), Spare: cfg.JailSpare,
		MaxJobs: cfg.JailMaxJobs, MaxAge: cfg.JailMaxAge, Cgroup: jail.CgroupUse(cfg.JailCgroup), SharedUID: jail.SharedUID(cfg.JailSharedUID),
		Root: cfg.JailChroot, Denied: cfg.DeniedNames, ProgramDenied: cfg.ProgramDeniedNames, Logger: log,
		Limits: jail.Limits{
			Timeout: cfg.JobTimeout, MemoryMB: cfg.JobMemoryMB, DiskMB: cfg.JobDiskMB, Threads: cfg.JobThreads,
			OutputBytes: cfg.JobOutputBytes, ResultBytes: cfg.JobResultBytes, Files: cfg.JobFiles, FilesBytes: cfg.JobFilesBytes,
			Outputs: cfg.JobOutputs, OutputsBytes: cfg.JobOutputsBytes,
		},
	}
	if cfg.Jail != "auto" {
		c.Backend = jail.Backend(cfg.Jail)
	}
	if cfg.JailIsolation != "auto" {
		c.Level = jail.Level(cfg.JailIsolation)
	}
	return c
}

// Prove attacks jails of the pool's kind. The error says which promised wall does not stand; then no script may be run here.
func Prove(ctx context.Context, pool *jail.Pool, log *slog.Logger) ([]jail.Wall, error) {
	begun := time.Now()
	walls, err := pool.Prove(ctx)
	if err != nil {
		return walls, err
	}
	promised, not := 0, []string{}
	for _, w := range walls {
		if w.Promised() {
			promised++
		} else {
			not = append(not, w.Name)
		}
	}
	log.Info("the walls stand", "isolation", pool.Isolation(), "promised", promised, "not_promised", not, "took",
		time.Since(begun).Round(time.Millisecond))
	return walls, nil
}

// Serve takes jobs from Redis and runs them until ctx ends; then it takes no more, lets the running ones end and returns.
// registry gets the worker's metrics.
func Serve(ctx context.Context, cfg config.Worker, rdb redis.UniversalClient, registry prometheus.Registerer, log *slog.Logger) error {
	pool, err := OpenPool(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer pool.Close()
	walls, err := Prove(ctx, pool, log)
	if err != nil {
		return err
	}
	enforced, err := describe(cfg, pool, walls)
	if err != nil {
		return err
	}
	runner := NewRunner(pool)
	runner.seen = newMetrics(registry, pool)
	server, err := jobs.NewServer(rdb, runner, jobs.ServerOptions{
		Concurrency: cfg.Slots(), JobTimeout: cfg.JobTimeout, CasesTimeout: cfg.CasesTimeout, CasesBytes: cfg.CasesBytes, StopGrace: cfg.ShutdownGrace, Shards: cfg.QueueShards,
		OutcomeBytes: cfg.ResultsBytes, Capabilities: enforced, Logger: log,
	})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// ServeHealth answers GET /health and GET /metrics on addr until ctx ends.
func ServeHealth(ctx context.Context, addr string, registry prometheus.Gatherer, log *slog.Logger) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("WORKER_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"status":"healthy"}` + "\n"))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	log.Info("health and metrics", "addr", listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve health: %w", err)
	}
	return nil
}
