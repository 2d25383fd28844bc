package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The three that are measured.
const (
	theService = "service"
	theCold    = "cold"
	theFloor   = "floor"
)

// system is one of the three, running.
type system struct {
	name  string
	meter *meter
	turn  func(ctx context.Context, s *scenario, clients int, d time.Duration) (turn, error)
}

// measure starts everything, takes turns, and stops everything.
func measure(ctx context.Context, o options, progress io.Writer) (*report, error) {
	r := newReport(o)
	if o.memory {
		fmt.Fprintln(progress, "bench: memory")
		var err error
		if r.Memory, err = measureMemory(ctx, o); errors.Is(err, fs.ErrPermission) {
			fmt.Fprintln(progress, "bench: no figures of memory:", err)
		} else if err != nil {
			return nil, err
		}
	}
	fmt.Fprintln(progress, "bench: starting")
	s, err := startService(ctx, o, o.slots)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	cold, stopCold, err := startCold(s, o)
	if err != nil {
		return nil, err
	}
	defer stopCold()
	floor, stopFloor, err := startFloor(o, r)
	if err != nil {
		return nil, err
	}
	defer stopFloor()
	load := newHTTPLoad(s.address)
	defer load.close()
	systems := []system{{theService, s.meter, load.turn}, cold, floor}
	r.CPUTime = s.meter.how()

	for _, x := range systems { // the first of everything is slower
		for _, scenario := range o.scenarios {
			t, err := x.turn(ctx, scenario, o.slots, 100*time.Millisecond)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", x.name, err)
			}
			r.wrong(t, x.name, scenario, o.slots)
		}
	}
	for _, x := range systems {
		missed, err := x.meter.missed()
		if err != nil {
			return nil, err
		}
		if missed > 0 {
			return nil, fmt.Errorf("%s: %d processes are in cgroups where their CPU time is not counted", x.name, missed)
		}
	}
	for _, scenario := range o.scenarios {
		if err := r.measure(ctx, o, systems, scenario, progress); err != nil {
			return nil, err
		}
	}
	r.compare(o)
	return r, ctx.Err()
}

// measure has the systems take turns at one scenario, at each concurrency, round after round: what is compared lies close together.
func (r *report) measure(ctx context.Context, o options, systems []system, s *scenario, progress io.Writer) error {
	type place struct {
		system
		*cell
	}
	var places []place
	for _, clients := range o.concurrency {
		for _, x := range systems {
			if x.name == theCold && clients > o.coldMax {
				continue
			}
			c := &cell{Scenario: s.name, System: x.name, Clients: clients}
			places = append(places, place{x, c})
			r.Cells = append(r.Cells, c)
		}
	}
	for round := range o.rounds {
		fmt.Fprintf(progress, "bench: %s, round %d of %d\n", s.name, round+1, o.rounds)
		for _, at := range places {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			before, err := at.meter.settled()
			if err != nil {
				return err
			}
			t, err := at.turn(ctx, s, at.Clients, o.cell/time.Duration(o.rounds))
			if err != nil {
				return fmt.Errorf("%s: %w", at.name, err)
			}
			after, err := at.meter.settled()
			if err != nil {
				return err
			}
			at.add(t, after-before)
		}
	}
	for _, at := range places {
		at.close()
		r.wrong(at.all, at.System, s, at.Clients)
	}
	return nil
}

func startCold(s *service, o options) (system, func(), error) {
	told, err := coldSettingsOf(s.worker, o.slots)
	if err != nil {
		return system{}, nil, err
	}
	var address string
	p, m, err := startPart(theCold, nil, partCold, told, &address)
	if err != nil {
		return system{}, nil, err
	}
	load := newHTTPLoad(address)
	return system{theCold, m, load.turn}, func() { load.close(); p.stop(); m.close() }, nil
}

func startFloor(o options, r *report) (system, func(), error) {
	var is pooled
	p, m, err := startPart(theFloor, settings(o, o.slots), partFloor, nil, &is)
	if err != nil {
		return system{}, nil, err
	}
	r.Backend, r.Isolation, r.Versions = string(is.Backend), string(is.Isolation), is.Versions
	take := func(_ context.Context, s *scenario, clients int, d time.Duration) (turn, error) {
		var t turn
		err := p.ask(asked{s.name, clients, d}, &t)
		return t, err
	}
	return system{theFloor, m, take}, func() { p.stop(); m.close() }, nil
}

// cell is one system at one scenario and concurrency, over all rounds.
type cell struct {
	Scenario string
	System   string
	Clients  int
	figures
	// Rounds are the same figures of each round by itself: how far they lie apart says how far to trust them.
	Rounds []figures
	// Medians is phases' own; Result is the way of a job and its outcome through Redis and the worker, Reply what HTTP took.
	Medians       phases
	Result, Reply float64

	all turn
	cpu time.Duration
}

type figures struct {
	Jobs      int
	P50MS     float64
	P99MS     float64
	PerSecond float64
	// CPUMS is CPU time per job.
	CPUMS float64
}

func (c *cell) add(t turn, cpu time.Duration) {
	c.Rounds = append(c.Rounds, figuresOf(t, cpu))
	c.all.add(t)
	c.cpu += cpu
}

func (c *cell) close() {
	c.figures = figuresOf(c.all, c.cpu)
	c.Medians = medians(c.all.Phases)
	var results, replies []float64
	for i, p := range c.all.Phases {
		results = append(results, p.Total-p.Queue-p.Setup-p.Run)
		replies = append(replies, c.all.MS[i]-p.Total)
	}
	c.Result, c.Reply = quantile(results, 0.5), quantile(replies, 0.5)
}

// wrong counts the failures of a turn, and keeps some of them to be printed.
func (r *report) wrong(t turn, system string, s *scenario, clients int) {
	r.Failures += t.Failures
	for _, w := range t.Wrong {
		r.Wrong = append(r.Wrong, fmt.Sprintf("%s, %s, concurrency %d: %s", system, s.name, clients, w))
	}
}

func figuresOf(t turn, cpu time.Duration) figures {
	f := figures{Jobs: len(t.MS), P50MS: quantile(t.MS, 0.5), P99MS: quantile(t.MS, 0.99)}
	if f.Jobs > 0 {
		f.PerSecond = float64(f.Jobs) / t.Elapsed.Seconds()
		f.CPUMS = float64(cpu) / 1e6 / float64(f.Jobs)
	}
	return f
}

// quantile is the smallest value that at least the share q of them does not pass; 0 of none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func kernel() string {
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}

func machine() string {
	return fmt.Sprintf("%d cores, %s, Linux %s", runtime.NumCPU(), runtime.GOARCH, kernel())
}
