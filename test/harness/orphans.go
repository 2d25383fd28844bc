package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// adopt makes this test's process the parent of whatever its processes leave behind, so that Orphans can find it.
func adopt() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper of orphans: %w", err)
	}
	return nil
}

// Orphans fails the test when a process that it did not start itself has outlived its parent. What is still on its way out has
// some seconds for it. Call it when everything that the test started has ended, and not beside other tests.
func Orphans(t testing.TB) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(10 * time.Second); ; <-again.C {
		left := children()
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("processes were left behind: %s", strings.Join(left, ", "))
			return
		}
	}
}

// children are this process's, the dead ones reaped and left out.
func children() []string {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []string
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// pid (name) state ppid ...; the name may hold anything.
		open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
		fields := strings.Fields(string(stat[end+1:]))
		pid, err := strconv.Atoi(strings.TrimSpace(string(stat[:open])))
		if err != nil || len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		if reaped, _ := unix.Wait4(pid, nil, unix.WNOHANG, nil); reaped == pid {
			continue
		}
		found = append(found, fmt.Sprintf("%d %s", pid, stat[open:end+1]))
	}
	return found
}
