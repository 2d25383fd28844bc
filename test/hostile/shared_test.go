package hostile

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestSharedUID: a worker that has no uid to give to its jobs at level process does not start there, unless it is told to; and then its
// jobs leave alone what is its user's.
func TestSharedUID(t *testing.T) {
	if _, err := exec.LookPath("nsjail"); err != nil {
		t.Skip("nsjail is not on PATH, and no other backend does without namespaces")
	}
	t.Run("refused", func(t *testing.T) {
		worker := nobody(t)
		worker.Args = append(worker.Args, "probe")
		worker.Env = append(os.Environ(), "JAIL=nsjail", "JAIL_ISOLATION=process")
		said, err := worker.CombinedOutput()
		if err == nil || !strings.Contains(string(said), "JAIL_SHARED_UID=accept") {
			t.Errorf("%v: %s", err, said)
		}
	})
	t.Run("accepted", func(t *testing.T) {
		env := append([]string{"WORKER_CONCURRENCY=1", "JAIL=nsjail", "JAIL_ISOLATION=process", "JAIL_SHARED_UID=accept"}, settings...)
		s := start(t, process, nobody(t), env...)
		s.bait.give(t, nobodyUID)
		s.attack(t, slices.DeleteFunc(readAttacks(t), func(a attack) bool {
			return !slices.Contains([]string{"fs_metadata", "fs_shared_inodes", "fs_write_outside", "proc_named", "proc_signals", "kernel_counters"}, a.name)
		}))
	})
}
