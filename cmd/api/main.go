// Command api is the service's HTTP process: it takes scripts from clients, queues them on Redis for the workers, and brings
// their outcome back. It runs no Python itself; any number of them can stand behind one load balancer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"safepy/internal/api"
	"safepy/internal/config"
	"safepy/internal/healthcheck"
	"safepy/internal/jobs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal stops gracefully; with the handler gone the second one kills.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

// run is the program. It returns when ctx has ended and every call that was waiting has its answer.
func run(ctx context.Context, args []string, lookup config.Lookup, stdout, stderr io.Writer) error {
	var cfg config.API
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stdout, "usage: api [--version] [healthcheck]\n\nServes the HTTP API, or asks the one that is running whether it lives. Its settings are environment variables:\n\n%s", config.Table(&cfg))
	}
	version := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	check := flags.NArg() == 1 && flags.Arg(0) == "healthcheck"
	if flags.NArg() > 0 && !check {
		return fmt.Errorf("unknown argument %q; settings are environment variables, see --help", flags.Arg(0))
	}
	if *version {
		fmt.Fprintln(stdout, "api", config.BuildVersion())
		return nil
	}

	if err := config.Load(&cfg, lookup); err != nil {
		return err
	}
	if check {
		return healthcheck.Run(ctx, cfg.ListenAddr)
	}
	log := cfg.Logger(stderr)
	jobs.LogRedis(log)
	rdb, err := jobs.OpenRedis(cfg.RedisURL)
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
