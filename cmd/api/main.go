// Command api is the service's HTTP process: it takes scripts from clients, queues them on Redis for the workers, and brings
// their outcome back. It runs no Python itself; any number of them can stand behind one load balancer.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"safepy/internal/api"
	"safepy/internal/config"
	"safepy/internal/healthcheck"
	"safepy/internal/jobs"
	"safepy/internal/redisconn"
)

const usage = `usage: api [--version] [healthcheck]

Serves the HTTP API. healthcheck asks the one that serves on LISTEN_ADDR whether it lives. The settings are environment variables:

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal stops gracefully; with the handler gone the second one kills.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, config.ErrHandled) {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

// leaveProcessors keeps this process to half of the processors: what it does for a request is little, and one processor handing it to
// another costs more than it saves. On two cores that is a sixth of its CPU time and a third of its context switches.
func leaveProcessors() {
	runtime.GOMAXPROCS((runtime.GOMAXPROCS(0) + 1) / 2)
}

// run is the program. It returns when ctx has ended and every call that was waiting has its answer.
func run(ctx context.Context, args []string, lookup config.Lookup, stdout, stderr io.Writer) error {
	var cfg config.API
	words, err := config.CommandLine(&cfg, "api", usage, args, lookup, stdout, stderr)
	if err != nil {
		return err
	}
	switch {
	case len(words) == 1 && words[0] == "healthcheck":
		return healthcheck.Run(ctx, cfg.ListenAddr)
	case len(words) > 0:
		return config.Unknown(words)
	}
	if _, decided := lookup("GOMAXPROCS"); !decided {
		leaveProcessors()
	}
	log := cfg.Logger(stderr)
	redisconn.SetLogger(log)
	rdb, err := redisconn.Open(cfg.RedisURL)
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	defer rdb.Close()
	ctx, stop := context.WithCancelCause(ctx)
	checked, err := checkRedis(ctx, rdb, log, stop)
	if err != nil {
		stop(nil)
		return err
	}
	defer checked()
	defer stop(nil)
	queue, err := jobs.NewQueue(rdb, api.QueueOptions(cfg, log))
	if err != nil {
		return err
	}
	defer queue.Close()
	if err := api.Serve(ctx, cfg, queue, log); err != nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}
