// Command standalone is the whole service in one process, for a laptop and for the all-in-one image: the HTTP API, a worker, and,
// unless REDIS_URL names one, a Redis of its own.
//
//	standalone              serves
//	standalone healthcheck  asks the one on LISTEN_ADDR whether it lives
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"safepy/internal/api"
	"safepy/internal/config"
	"safepy/internal/healthcheck"
	"safepy/internal/jobs"
	"safepy/internal/localredis"
	"safepy/internal/redisconn"
	"safepy/internal/worker"
)

const usage = `usage: standalone [--version] [healthcheck]

Serves the API and runs the scripts, with a Redis of its own unless REDIS_URL is set. healthcheck asks the one that serves on
LISTEN_ADDR whether it lives. The settings are environment variables:

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, config.ErrHandled) {
		fmt.Fprintln(os.Stderr, "standalone:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, lookup config.Lookup, stdout, stderr io.Writer) error {
	var cfg config.Standalone
	words, err := config.CommandLine(&cfg, "standalone", usage, args, lookup, stdout, stderr)
	if err != nil {
		return err
	}
	switch {
	case len(words) == 0:
		return serve(ctx, cfg, cfg.API.Logger(stderr))
	case words[0] == "healthcheck" && len(words) == 1:
		return healthcheck.Run(ctx, cfg.ListenAddr)
	}
	return config.Unknown(words)
}

func serve(ctx context.Context, cfg config.Standalone, log *slog.Logger) error {
	redisconn.SetLogger(log)
	rdb, closeRedis, err := openRedis(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer closeRedis()
	if err := redisconn.Await(ctx, rdb, log); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before there was anything to stop
		}
		return err
	}
	queue, err := jobs.NewQueue(rdb, api.QueueOptions(cfg.API, log))
	if err != nil {
		return err
	}
	defer queue.Close()

	// The API stops first, so that the calls it waits for still find a worker; either one's failure ends both.
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	// The Go runtime's own metrics are in the API's registry.
	registry := prometheus.NewRegistry()
	var failure error
	var both sync.WaitGroup
	both.Go(func() {
		defer stopServing()
		failure = worker.Serve(working, cfg.Worker, rdb, registry, log)
	})
	err = api.Serve(serving, cfg.API, queue, log, registry)
	stopWork()
	both.Wait()
	return errors.Join(err, failure)
}

// openRedis connects to the Redis of REDIS_URL, or starts one.
func openRedis(ctx context.Context, cfg config.Standalone, log *slog.Logger) (redis.UniversalClient, func(), error) {
	if url := cfg.API.RedisURL; url != "" {
		rdb, err := redisconn.Open(url)
		if err != nil {
			return nil, nil, fmt.Errorf("REDIS_URL: %w", err)
		}
		return rdb, func() { rdb.Close() }, nil
	}
	own, err := localredis.Start(ctx, cfg.DataDir, cfg.RedisMaxMemory, log)
	if err != nil {
		return nil, nil, err
	}
	return own.Client(), func() {
		if err := own.Close(); err != nil {
			log.Warn("own redis did not stop cleanly", "error", err)
		}
	}, nil
}
