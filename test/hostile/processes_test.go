package hostile

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// idle is how many processes there are below this test, which also inherits orphans, when there is nothing to do.
type idle struct{ normal int }

func idleProcesses(t *testing.T) *idle {
	t.Helper()
	i := &idle{}
	// Steady when it is the same for a while: jails that serve once are just being replaced.
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for same := 0; same < 25; <-again.C {
		if now := len(i.now()); now != i.normal {
			i.normal, same = now, 0
		} else {
			same++
		}
	}
	if i.normal < 5 {
		t.Fatalf("only %d processes: Redis, API, worker and a jail are more", i.normal)
	}
	return i
}

// again waits until there are no more processes than there were. What an attack has left would stay.
func (i *idle) again(t *testing.T) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(15 * time.Second); ; <-again.C {
		now := i.now()
		if len(now) <= i.normal {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d processes where there were %d: %s", len(now), i.normal, strings.Join(slices.Sorted(maps.Values(now)), ", "))
			return
		}
	}
}

// now are all processes below this one.
func (i *idle) now() map[int]string {
	parents, names := map[int]int{}, map[int]string{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// pid (name) state ppid ...; the name may hold anything.
		open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
		fields := strings.Fields(string(stat[end+1:]))
		pid, err := strconv.Atoi(strings.TrimSpace(string(stat[:open])))
		if err != nil || len(fields) < 2 {
			continue
		}
		parents[pid], _ = strconv.Atoi(fields[1])
		names[pid] = fmt.Sprintf("%d %s %s", pid, stat[open:end+1], fields[0])
	}
	found := map[int]string{}
	for pid := range parents {
		for p := pid; p > 1; p = parents[p] {
			// The dead that this test has inherited are nobody's any more.
			if parents[p] == os.Getpid() && (p != pid || !strings.HasSuffix(names[pid], " Z")) {
				found[pid] = names[pid]
			}
		}
	}
	return found
}
