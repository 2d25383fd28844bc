package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"safepy/internal/config"
	"safepy/internal/jail"
	"safepy/internal/worker"
)

// probe prints every wall, what promises it, how it was attacked and whether it held.
func probe(ctx context.Context, cfg config.Worker, stdout, stderr io.Writer) error {
	cfg.Concurrency, cfg.JailPreload = 1, nil
	if cfg.LogLevel == "info" {
		cfg.LogLevel = "warn" // the table is what is wanted
	}
	log := cfg.Logger(stderr)
	pool, err := worker.OpenPool(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer pool.Close()
	walls, failure := worker.Prove(ctx, pool, log)
	if walls == nil {
		return failure
	}
	program, err := pool.Program()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "backend %s, isolation %s\n", pool.Backend(), pool.Isolation())
	fmt.Fprintf(stdout, "program %s, sha256 %s\n", program.Path, program.SHA256)
	if program.Image != "" {
		fmt.Fprintf(stdout, "taken from %s\n", program.Image)
	}
	fmt.Fprintln(stdout)
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WALL\tPROMISED BY\tTRIED\tHELD")
	for _, w := range walls {
		by, held := w.PromisedBy, "yes"
		switch {
		case !w.Promised() && w.Held:
			by = "-"
		case !w.Promised():
			by, held = "-", "no: "+w.Reached
		case !w.Held:
			held = "NO: " + w.Reached
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", w.Name, by, w.Tried, held)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(stdout)
	enforced := pool.Enforced()
	for _, c := range []struct {
		name string
		jail.Control
	}{{"memory", enforced.Memory}, {"swap", enforced.Swap}, {"pids", enforced.Pids}, {"cpu", enforced.CPU}} {
		if c.By != "" {
			fmt.Fprintf(stdout, "%s: also bounded by %s\n", c.name, c.By)
		} else {
			fmt.Fprintf(stdout, "%s: bounded by no cgroup: %s\n", c.name, c.Missing)
		}
	}
	if failure != nil {
		fmt.Fprintln(stderr, "worker:", failure)
		return errWallsFailed
	}
	return nil
}
