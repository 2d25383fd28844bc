package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{nil, 0.5, 0},
		{[]float64{7}, 0.99, 7},
		{[]float64{2, 1}, 0.5, 1},
		{[]float64{3, 1, 2}, 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile(%v, %v) is %v, want %v", c.values, c.q, got, c.want)
		}
	}
}

func TestColdArgs(t *testing.T) {
	for _, c := range []struct{ name, warm, cold string }{
		{
			"nsjail", "/bin/nsjail -Mo --time_limit 0 --pass_fd 3 --keep_caps --user 0:7:1 --group 0:7:1 --user 1000:8:1 --group 1000:8:1 --cwd /x -- /python -I -B -c boot",
			"/bin/nsjail -Mo --time_limit 0 --user 1000:8:1 --group 1000:8:1 --cwd /tmp -- /python -I -B -c",
		},
		{
			"bubblewrap", "/bin/bwrap --unshare-pid --cap-add ALL --seccomp 4 --tmpfs /tmp -- /python -I -B -c boot",
			"/bin/bwrap --unshare-pid --tmpfs /tmp -- /python -I -B -c",
		},
	} {
		got, err := coldArgs(strings.Fields(c.warm))
		if want := append(strings.Fields(c.cold), coldScript); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, want)
		}
	}
	if got, err := coldArgs([]string{"nsjail", "-Mo", "--"}); err == nil {
		t.Errorf("a command line with no program gave %q", got)
	}
}

func TestParseTiming(t *testing.T) {
	got := parseTiming("queue;dur=0.250, setup;dur=1.000, run;dur=3.500, total;dur=5.250")
	if want := (phases{Queue: 0.25, Setup: 1, Run: 3.5, Total: 5.25}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := parseTiming(""); got != (phases{}) {
		t.Errorf("%+v of an empty header", got)
	}
}

func TestCheck(t *testing.T) {
	s := findScenario("numpy")
	if err := s.check(json.RawMessage(`{"sum": 15, "mean": 3.0, "std": 1.4142135623730951}`), s.stdout); err != nil {
		t.Error(err)
	}
	for _, wrong := range []struct{ result, stdout string }{{s.result, ""}, {`{"sum":15}`, s.stdout}, {"", s.stdout}} {
		if s.check(json.RawMessage(wrong.result), wrong.stdout) == nil {
			t.Errorf("%q with %q passed for right", wrong.result, wrong.stdout)
		}
	}
}

// Wrong answers are counted apart and are no part of any figure.
func TestDrive(t *testing.T) {
	calls := make(chan int, 100)
	got := drive(context.Background(), 3, time.Minute, 20, func(client int) (phases, error) {
		calls <- client
		if len(calls)%2 == 0 {
			return phases{}, errors.New("wrong")
		}
		return phases{Run: 1}, nil
	})
	if len(calls) != 20 || len(got.MS)+got.Failures != 20 || len(got.MS) != len(got.Phases) {
		t.Errorf("%d calls, %d right, %d wrong, %d phases; want 20 calls", len(calls), len(got.MS), got.Failures, len(got.Phases))
	}
	if got.Failures == 0 || len(got.Wrong) == 0 {
		t.Errorf("no failure was counted: %+v", got)
	}
}

func TestCompare(t *testing.T) {
	o := options{scenarios: []*scenario{findScenario("pandas")}}
	at := func(system string, clients int, f figures) *cell {
		return &cell{Scenario: "pandas", System: system, Clients: clients, figures: f, Rounds: []figures{f}}
	}
	r := &report{Cells: []*cell{
		at(theService, 1, figures{P50MS: 5}), at(theCold, 1, figures{P50MS: 400}),
		at(theService, 2, figures{P50MS: 10, P99MS: 50, PerSecond: 200, CPUMS: 13}), at(theFloor, 2, figures{CPUMS: 10}),
		at(theService, 64, figures{PerSecond: 150}),
	}}
	r.compare(o)
	var out bytes.Buffer
	if err := r.write(&out, markdown{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| p50 at 1: cold / service | 80.0 (≥ 60) |", "| CPU at 2: service / floor | 1.30 (≤ 1.3) |",
		"| p99 / p50 at 2, service | 5.00 (≤ 4, missed) |", "| jobs/s: at 64 / at its best | 0.75 (≥ 0.9, missed) |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "service / cold") {
		t.Errorf("a ratio to a cell that was not measured:\n%s", out.String())
	}
}
