package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// report is everything that a run found out.
type report struct {
	Command   string
	Machine   string
	Backend   string
	Isolation string
	Versions  map[string]string
	Slots     int
	Rounds    int
	Cell      time.Duration
	// CPUTime says how it was counted.
	CPUTime  string
	Cells    []*cell
	Ratios   []ratio
	Memory   *memory
	Failures int
	Wrong    []string
}

func newReport(o options) *report {
	return &report{
		Command: strings.TrimSpace("make bench " + argsOf(os.Args[1:])), Machine: machine(), Slots: o.slots, Rounds: o.rounds, Cell: o.cell,
	}
}

func argsOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return "ARGS='" + strings.Join(args, " ") + "'"
}

// ratio is one comparison, with its value in the rounds that were lowest and highest.
type ratio struct {
	What     string
	Scenario string
	Value    float64
	Low      float64
	High     float64
	// Target is what it should be at least, or, with AtMost, at most; 0 is none.
	Target float64
	AtMost bool
}

func (q ratio) met() bool {
	if q.AtMost {
		return q.Value <= q.Target
	}
	return q.Value >= q.Target
}

// compare works out the ratios that can be worked out from the cells there are.
func (r *report) compare(o options) {
	latency := map[string]float64{"hello": 12, "numpy": 30, "pandas": 60}
	throughput := map[string]float64{"hello": 5, "numpy": 12, "pandas": 25}
	for _, s := range o.scenarios {
		p50 := func(f figures) float64 { return f.P50MS }
		perSecond := func(f figures) float64 { return f.PerSecond }
		cpu := func(f figures) float64 { return f.CPUMS }
		r.ratio("p50 at 1: cold / service", s, r.cell(s, theCold, 1), r.cell(s, theService, 1), p50, p50, latency[s.name], false)
		r.ratio("jobs/s at 2: service / cold", s, r.cell(s, theService, 2), r.cell(s, theCold, 2), perSecond, perSecond, throughput[s.name], false)
		var most float64
		if s.name == "pandas" {
			most = 1.3
		}
		r.ratio("CPU at 2: service / floor", s, r.cell(s, theService, 2), r.cell(s, theFloor, 2), cpu, cpu, most, true)
		r.ratio("CPU at 2: cold / service", s, r.cell(s, theCold, 2), r.cell(s, theService, 2), cpu, cpu, 0, false)
		p99 := func(f figures) float64 { return f.P99MS }
		r.ratio("p99 / p50 at 2, service", s, r.cell(s, theService, 2), r.cell(s, theService, 2), p99, p50, 4, true)
		r.ratio("jobs/s: at 64 / at its best", s, r.cell(s, theService, 64), r.best(s), perSecond, perSecond, 0.9, false)
	}
}

func (r *report) ratio(what string, s *scenario, above, below *cell, up, down func(figures) float64, target float64, atMost bool) {
	if above == nil || below == nil || down(below.figures) == 0 {
		return
	}
	q := ratio{What: what, Scenario: s.name, Value: up(above.figures) / down(below.figures), Low: math.Inf(1), Target: target, AtMost: atMost}
	for i := range above.Rounds {
		if d := down(below.Rounds[i]); d > 0 {
			v := up(above.Rounds[i]) / d
			q.Low, q.High = min(q.Low, v), max(q.High, v)
		}
	}
	q.Low = min(q.Low, q.High)
	r.Ratios = append(r.Ratios, q)
}

func (r *report) cell(s *scenario, name string, clients int) *cell {
	for _, c := range r.Cells {
		if c.Scenario == s.name && c.System == name && c.Clients == clients {
			return c
		}
	}
	return nil
}

// best is the service at the concurrency where it did most jobs/s.
func (r *report) best(s *scenario) *cell {
	var best *cell
	for _, c := range r.Cells {
		if c.Scenario == s.name && c.System == theService && (best == nil || c.PerSecond > best.PerSecond) {
			best = c
		}
	}
	return best
}

// layout is a way of writing paragraphs and tables.
type layout interface {
	text(w io.Writer, line string) error
	table(w io.Writer, rows [][]string) error
}

func (r *report) write(w io.Writer, l layout) error {
	var failed error
	say := func(format string, args ...any) {
		if failed == nil {
			failed = l.text(w, fmt.Sprintf(format, args...))
		}
	}
	table := func(rows [][]string) {
		if failed == nil && len(rows) > 1 {
			failed = l.table(w, rows)
		}
	}
	say("`%s`: %s; %s, isolation %s, %d slots; Python %s, numpy %s, pandas %s; %d rounds by turns.",
		r.Command, r.Machine, r.Backend, r.Isolation, r.Slots, r.Versions["python"], r.Versions["numpy"], r.Versions["pandas"], r.Rounds)
	say("Milliseconds of latency (p50, p99), jobs/s, and milliseconds of CPU time per job of all processes, counted in %s.", r.CPUTime)
	table(r.cellRows())
	say("Ratios, and in parentheses what is wanted:")
	table(r.ratioRows())
	say("Where the time of a job goes, median ms. In the service: its wait for a worker (queue) and for a walled process (setup), the script's run, its way and its result's through Redis and the worker (result), and HTTP (reply). Before the job came, taken from the floor: the fork of its process, making its namespaces, entering them and the other walls.")
	table(r.phaseRows())
	if m := r.Memory; m != nil {
		say("Proportional memory of a worker and its jails: %.0f MB with %d slots, %.0f MB with %d; %.1f MB for each further slot (at most %.0f wanted).",
			m.MB[0], m.Slots[0], m.MB[1], m.Slots[1], m.PerSlotMB, m.TargetMaxMB)
	}
	say("Wrong answers: %d.", r.Failures)
	for _, wrong := range r.Wrong {
		say("%s", wrong)
	}
	return failed
}

func (r *report) cellRows() [][]string {
	rows := [][]string{{"", "clients", "service p50", "p99", "jobs/s", "CPU", "cold p50", "p99", "jobs/s", "CPU", "floor p50", "p99", "jobs/s", "CPU"}}
	for _, c := range r.Cells {
		if c.System != theService {
			continue
		}
		row := []string{c.Scenario, fmt.Sprint(c.Clients)}
		s := findScenario(c.Scenario)
		for _, name := range []string{theService, theCold, theFloor} {
			if x := r.cell(s, name, c.Clients); x != nil {
				row = append(row, number(x.P50MS), number(x.P99MS), number(x.PerSecond), number(x.CPUMS))
			} else {
				row = append(row, "", "", "", "")
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// ratioRows has a row for each comparison and a column for each scenario, with the target in parentheses.
func (r *report) ratioRows() [][]string {
	rows := [][]string{{""}}
	column, row := map[string]int{}, map[string]int{}
	for _, q := range r.Ratios {
		if column[q.Scenario] == 0 {
			rows[0] = append(rows[0], q.Scenario)
			column[q.Scenario] = len(rows[0]) - 1
		}
	}
	for _, q := range r.Ratios {
		if row[q.What] == 0 {
			rows = append(rows, append([]string{q.What}, make([]string, len(column))...))
			row[q.What] = len(rows) - 1
		}
		rows[row[q.What]][column[q.Scenario]] = q.String()
	}
	return rows
}

func (q ratio) String() string {
	if q.Target == 0 {
		return number(q.Value)
	}
	sign, missed := "≥", ""
	if q.AtMost {
		sign = "≤"
	}
	if !q.met() {
		missed = ", missed"
	}
	return fmt.Sprintf("%s (%s %s%s)", number(q.Value), sign, strconv.FormatFloat(q.Target, 'f', -1, 64), missed)
}

func (r *report) phaseRows() [][]string {
	rows := [][]string{{"", "clients", "queue", "setup", "run", "result", "reply", "fork", "namespaces", "walls"}}
	for _, c := range r.Cells {
		if c.System != theService {
			continue
		}
		m := c.Medians
		row := []string{c.Scenario, fmt.Sprint(c.Clients), number(m.Queue), number(m.Setup), number(m.Run), number(c.Result), number(c.Reply)}
		if floor := r.cell(findScenario(c.Scenario), theFloor, c.Clients); floor != nil {
			m := floor.Medians
			row = append(row, number(m.Fork), number(m.Namespaces), number(m.Walls))
		} else {
			row = append(row, "", "", "")
		}
		rows = append(rows, row)
	}
	return rows
}

// number has three digits that mean something.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
