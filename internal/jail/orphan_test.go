package jail

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"safepy/internal/jail/procfs"
)

const hangingStart = "SAFEPY_TEST_HANGING_START"

// A jail that never gets so far as to look whether its worker is still there ends with it all the same.
func TestOrphans(t *testing.T) {
	if backend := os.Getenv(hangingStart); backend != "" {
		plan, err := newPlan(Config{Backend: Backend(backend), Level: Namespaces}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		plan.faults.settings = python("while True: pass")
		plan.start(wanted{})
		return
	}
	eachPlan(t, Config{}, nil, func(t *testing.T, c Config, _ *plan) {
		worker := exec.Command(os.Args[0], "-test.run=^TestOrphans$")
		worker.Env = append(os.Environ(), hangingStart+"="+string(c.Backend))
		if err := worker.Start(); err != nil {
			t.Fatal(err)
		}
		defer worker.Wait()
		defer worker.Process.Kill()
		var jail []int
		eventually(t, "python hangs in the jail", func() bool {
			jail = descendants(t, worker.Process.Pid)
			return slices.ContainsFunc(jail, func(pid int) bool {
				used, _ := cpuTime(pid)
				return used > time.Second
			})
		})
		worker.Process.Kill()
		eventually(t, "the jail is gone", func() bool { return !slices.ContainsFunc(jail, isRunning) })
	})
}

// isRunning reports whether a process is there and has not ended.
func isRunning(pid int) bool {
	fields := procfs.StatFields(pid)
	return len(fields) > 0 && fields[0] != "Z"
}
