// Command worker takes scripts from Redis, runs each in a jail of its own, and writes back what happened. Any number of them, on
// any number of machines, serve one queue.
//
//	worker              serves
//	worker exec FILE    runs one script without Redis and prints its answer; - reads standard input; exec -program FILE ARG... runs a program
//	worker probe        attacks a jail and prints which walls hold here
//	worker healthcheck  asks the worker on WORKER_ADDR whether it lives
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"safepy/internal/config"
	"safepy/internal/healthcheck"
	"safepy/internal/redisconn"
	"safepy/internal/worker"
)

const usage = `usage: worker [--version] [exec [-program] FILE [ARG...] | probe | healthcheck]

With no word it takes jobs from Redis and runs them. exec runs one script (- for standard input) without Redis, and prints
{"result", "stdout"} or {"error", ...} as POST /execute would; it exits with 1 when the script failed. With -program the script runs as
Python runs a file, with the arguments behind it, and its exit code is printed, too, and exec exits with 1 when that is not 0. probe attacks a jail
of its own and prints which walls hold on this host; it exits with 1 when one that JAIL_ISOLATION promises does not. healthcheck
asks the worker on WORKER_ADDR whether it lives. The settings are environment variables:

`

// These make the exit codes of exec and probe, which have said everything else themselves.
var (
	errScriptFailed = errors.New("the script failed")
	errWallsFailed  = errors.New("the walls do not stand")
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdin, os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, config.ErrHandled):
	case errors.Is(err, errScriptFailed), errors.Is(err, errWallsFailed):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, args []string, lookup config.Lookup, stdin io.Reader, stdout, stderr io.Writer) error {
	var cfg config.Worker
	words, err := config.CommandLine(&cfg, "worker", usage, args, lookup, stdout, stderr)
	if err != nil {
		return err
	}
	switch {
	case len(words) == 0:
		return serve(ctx, cfg, stderr)
	case words[0] == "exec" && len(words) > 1:
		return execute(ctx, cfg, words[1:], stdin, stdout, stderr)
	case words[0] == "probe" && len(words) == 1:
		return probe(ctx, cfg, stdout, stderr)
	case words[0] == "healthcheck" && len(words) == 1:
		return healthcheck.Run(ctx, cfg.Addr)
	}
	return config.Unknown(words)
}

// leaveProcessors keeps this process to one processor for each four slots: its part of a job is a fraction of the job's own, and one
// processor handing work to another costs more than the work. On two cores that is 0.2 of 1.05 ms of CPU time for each job.
func leaveProcessors(slots int) {
	runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0), (slots+3)/4))
}

func serve(ctx context.Context, cfg config.Worker, stderr io.Writer) error {
	log := cfg.Logger(stderr)
	redisconn.SetLogger(log)
	rdb, err := redisconn.Open(cfg.RedisURL)
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	defer rdb.Close()
	cfg.Concurrency = cfg.Slots()
	leaveProcessors(cfg.Concurrency)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	// Whichever of the two ends first, in whatever way, ends the other.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var health error
	var both sync.WaitGroup
	both.Go(func() {
		defer stop()
		health = worker.ServeHealth(ctx, cfg.Addr, registry, log)
	})
	err = redisconn.Await(ctx, rdb, log)
	switch {
	case err == nil:
		err = worker.Serve(ctx, cfg, rdb, registry, log)
	case ctx.Err() != nil:
		err = nil // told to stop before there was anything to stop
	}
	stop()
	both.Wait()
	return errors.Join(err, health)
}
