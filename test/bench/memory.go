package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// memory is the worker's and its jails', in MB of 2^20 bytes, shared pages divided among those who share them (PSS).
type memory struct {
	Slots       [2]int
	MB          [2]float64
	PerSlotMB   float64
	TargetMaxMB float64
}

// measureMemory starts the service with few slots and then with two more, gives every slot some jobs, and compares.
func measureMemory(ctx context.Context, o options) (*memory, error) {
	m := &memory{Slots: [2]int{o.slots, o.slots + 2}, TargetMaxMB: 70}
	for i, slots := range m.Slots {
		kb, err := proportional(ctx, o, slots)
		if err != nil {
			return nil, fmt.Errorf("memory of %d slots: %w", slots, err)
		}
		m.MB[i] = float64(kb) / 1024
	}
	m.PerSlotMB = (m.MB[1] - m.MB[0]) / float64(m.Slots[1]-m.Slots[0])
	return m, nil
}

// proportional is the sum over a service's worker and all below it, in kB.
func proportional(ctx context.Context, o options, slots int) (int, error) {
	s, err := startService(ctx, o, slots)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	load := newHTTPLoad(s.address)
	defer load.close()
	for _, name := range []string{"hello", "pandas"} {
		t, err := load.turn(ctx, findScenario(name), slots, 300*time.Millisecond)
		if err != nil {
			return 0, err
		}
		if t.Failures > 0 {
			return 0, fmt.Errorf("wrong answers: %q", t.Wrong)
		}
	}
	if _, err := s.meter.settled(); err != nil {
		return 0, err
	}
	all, err := processes()
	if err != nil {
		return 0, err
	}
	var total int
	for _, pid := range descendants(all, []int{s.worker.pid()}) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
				kb, err := strconv.Atoi(f[1])
				if err != nil {
					return 0, err
				}
				total += kb
			}
		}
	}
	return total, nil
}
