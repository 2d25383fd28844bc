// Command bench measures the whole service, redis-server, bin/api and bin/worker, on this machine, by turns with two others that
// bound what it could be, so that whatever else the machine is doing hits all three alike:
//
//	service  HTTP, Redis, a worker and its jails
//	cold     the same jail and a fresh Python for each request, behind plain HTTP: what there is without warm jails
//	floor    the jails alone, called in-process: no HTTP, no Redis
//
// It prints latency, jobs/s and CPU time of each, how they compare, the memory of a slot, and where the time goes. An answer that
// is not exactly right is a failure, printed, and makes the exit code 1; a missed target does not.
//
//	make bench
//	make bench ARGS=-quick
//	make bench ARGS='-scenarios pandas -concurrency 1,2 -cell 10s -markdown'
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The processes that the benchmark starts are signalled when the thread that started them ends; the main one ends last.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line's.
type options struct {
	bin         string
	jail        string
	slots       int
	scenarios   []*scenario
	concurrency []int
	coldMax     int
	cell        time.Duration
	rounds      int
	memory      bool
	asJSON      bool
	asMarkdown  bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] { // the program starts itself in these parts
		case partEnter:
			return enter(args[1:])
		case partCold:
			return serveCold(ctx, os.Stdin, stdout)
		case partFloor:
			return serveFloor(ctx, os.Stdin, stdout)
		}
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	r, err := measure(ctx, o, stderr)
	if err != nil {
		return err
	}
	switch {
	case o.asJSON:
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(r)
	case o.asMarkdown:
		err = r.write(stdout, markdown{})
	default:
		err = r.write(stdout, plain{})
	}
	if err != nil {
		return err
	}
	if r.Failures > 0 {
		return fmt.Errorf("%d answers were wrong", r.Failures)
	}
	return nil
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := flags.String("scenarios", "hello,numpy,pandas,stdout,cpu", "what to run: "+strings.Join(scenarioNames(), ", "))
	levels := flags.String("concurrency", "1,2,8,64", "how many clients at a time")
	quick := flags.Bool("quick", false, "a rougher run of less than a minute: -concurrency 1,2,64 -cell 400ms -rounds 2 -cold-max 2 -memory=false")
	flags.StringVar(&o.bin, "bin", "bin", "where api and worker are")
	flags.StringVar(&o.jail, "jail", "auto", "auto, nsjail or bubblewrap")
	flags.IntVar(&o.slots, "slots", runtime.NumCPU(), "scripts that run at the same time, in each of the three")
	flags.DurationVar(&o.cell, "cell", 4800*time.Millisecond, "time for one scenario at one concurrency in one of the three")
	flags.IntVar(&o.rounds, "rounds", 6, "turns that the time is cut into")
	flags.IntVar(&o.coldMax, "cold-max", 8, "highest concurrency of the cold baseline, whose jobs/s do not change beyond its slots")
	flags.BoolVar(&o.memory, "memory", true, "measure the memory of a slot as well")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON, with every figure of every round")
	flags.BoolVar(&o.asMarkdown, "markdown", false, "print tables in markdown")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if *quick {
		given := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		unlessGiven := func(name string, set func()) {
			if !given[name] {
				set()
			}
		}
		unlessGiven("concurrency", func() { *levels = "1,2,64" })
		unlessGiven("cell", func() { o.cell = 400 * time.Millisecond })
		unlessGiven("rounds", func() { o.rounds = 2 })
		unlessGiven("cold-max", func() { o.coldMax = 2 })
		unlessGiven("memory", func() { o.memory = false })
	}
	for name := range strings.SplitSeq(*names, ",") {
		s := findScenario(name)
		if s == nil {
			return o, fmt.Errorf("-scenarios: %q is none of %s", name, strings.Join(scenarioNames(), ", "))
		}
		o.scenarios = append(o.scenarios, s)
	}
	for level := range strings.SplitSeq(*levels, ",") {
		n, err := strconv.Atoi(level)
		if err != nil || n < 1 || n > 1000 {
			return o, fmt.Errorf("-concurrency: %q is not a number from 1 to 1000", level)
		}
		o.concurrency = append(o.concurrency, n)
	}
	if o.rounds < 1 || o.cell <= 0 || o.slots < 1 {
		return o, errors.New("-rounds, -cell and -slots must be above zero")
	}
	return o, nil
}
