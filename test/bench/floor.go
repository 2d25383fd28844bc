package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"safepy/internal/config"
	"safepy/internal/jail"
	"safepy/internal/worker"
)

// pooled is what the floor says once its jails are warm.
type pooled struct {
	Backend   jail.Backend
	Isolation jail.Level
	Versions  map[string]string
}

// asked is one turn of load that the floor is to do.
type asked struct {
	Scenario string
	Clients  int
	For      time.Duration
}

// serveFloor is the floor: the worker's pool of jails with the worker's settings, and the load in the same process.
func serveFloor(ctx context.Context, in io.Reader, out io.Writer) error {
	var cfg config.Worker
	if err := config.Load(&cfg, os.LookupEnv); err != nil {
		return err
	}
	pool, err := worker.OpenPool(ctx, cfg, cfg.Logger(os.Stderr))
	if err != nil {
		return err
	}
	defer pool.Close()
	answers := json.NewEncoder(out)
	if err := answers.Encode(pooled{pool.Backend(), pool.Isolation(), pool.Versions()}); err != nil {
		return err
	}
	questions := make(chan asked)
	go func() { // ends with stdin
		defer close(questions)
		for decoder := json.NewDecoder(in); ; {
			var a asked
			if decoder.Decode(&a) != nil {
				return
			}
			questions <- a
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case a, more := <-questions:
			if !more {
				return nil
			}
			s := findScenario(a.Scenario)
			if s == nil {
				return fmt.Errorf("no scenario %q", a.Scenario)
			}
			t := drive(ctx, a.Clients, a.For, s.most, func(int) (phases, error) { return runInPool(ctx, pool, s) })
			if err := answers.Encode(t); err != nil {
				return err
			}
		}
	}
}

func runInPool(ctx context.Context, pool *jail.Pool, s *scenario) (phases, error) {
	outcome, err := pool.Run(ctx, jail.Job{Script: s.script})
	if err != nil {
		return phases{}, err
	}
	if outcome.Failure != nil {
		return phases{}, errors.New(outcome.Failure.Message)
	}
	ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
	u := outcome.Usage
	p := phases{
		Setup: ms(u.Setup), Run: ms(u.Wall), Fork: ms(u.Making.Fork), Namespaces: ms(u.Making.Namespaces), Walls: ms(u.Making.Walls),
	}
	return p, s.check(outcome.Result, outcome.Stdout.Text)
}
