package jail

import (
	"context"
	"log/slog"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	elastic "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
)

// Scripts that return how many page faults their process has had, for the server without libraries and for the one with.
const (
	faults      = "import resource\n\ndef main():\n    print('x')\n    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
	numpyFaults = "import numpy as np\nimport resource\n\ndef main():\n    np.mean([1, 2, 3])\n" +
		"    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
)

// A job whose server pins what it writes has less than half of the page faults that it has otherwise.
func TestStudySparesFaults(t *testing.T) {
	for script, preload := range map[string][]string{faults: nil, numpyFaults: {"numpy", "pandas"}} {
		t.Run(strings.Join(append([]string{"preload"}, preload...), " "), func(t *testing.T) {
			eachPlan(t, Config{Preload: preload}, nil, func(t *testing.T, c Config, plan *plan) {
				plan.textSegments = newTextSegments(c.Logger)
				t.Cleanup(plan.textSegments.close)
				profiled := pinningPool(t, c, plan)
				c.MaxJobs = 1 // where a jail serves one job, studying it is not worth the while
				plain := planPool(t, c, plan)
				if pinned := idleServer(plain).pinned; pinned != 0 {
					t.Errorf("a server for one job has pinned %d pages", pinned)
				}
				few, many := fewestFaults(t, profiled, script), fewestFaults(t, plain, script)
				t.Logf("%d page faults, and %d with nothing pinned", few, many)
				if 2*few > many {
					t.Errorf("%d page faults, and only %d with nothing pinned", few, many)
				}
			})
		})
	}
}

// A studied job may answer before the server has said which process it is.
func TestStudyOfQuickChildren(t *testing.T) {
	eachPlan(t, Config{}, nil, func(t *testing.T, c Config, plan *plan) {
		pinningPool(t, c, plan)
		plan.faults.settings = python("import socket, time\nsend = socket.socket.sendmsg\n" +
			"def late(self, *parts):\n    time.sleep(0.05)\n    return send(self, *parts)\nsocket.socket.sendmsg = late")
		if idleServer(planPool(t, c, plan)).pinned == 0 {
			t.Error("nothing is pinned")
		}
	})
}

// Where nobody may pin memory jobs run all the same, from a server in huge pages.
func TestStudyRefused(t *testing.T) {
	refuse := func(plan *plan) {
		const call = "io_uring_setup"
		plan.outerFilter = answering(plan.outerFilter, call, bpf.RetConstant{Val: uint32(elastic.ActionErrno | elastic.Action(syscall.EPERM))})
		plan.faults.args = func(args []string) []string {
			if i := slices.Index(args, "--seccomp_string"); i >= 0 {
				args[i+1] = strings.Replace(args[i+1], "{ ", "{ "+call+", ", 1)
			}
			return args
		}
	}
	eachPlan(t, Config{}, refuse, func(t *testing.T, c Config, plan *plan) {
		p := planPool(t, c, plan)
		if pinned := idleServer(p).pinned; pinned != 0 {
			t.Errorf("%d pages are pinned", pinned)
		}
		wantAnswer(t, p, "def main():\n    return 6 * 7\n", "42")
	})
}

// eachPlan runs f with a plan of each backend that is here and makes namespaces, changed by alter.
func eachPlan(t *testing.T, c Config, alter func(*plan), f func(t *testing.T, c Config, plan *plan)) {
	for backend, program := range map[Backend]string{Nsjail: "nsjail", Bubblewrap: "bwrap"} {
		t.Run(string(backend), func(t *testing.T) {
			if _, err := exec.LookPath(program); err != nil {
				t.Skipf("%s is not on PATH", program)
			}
			c := c
			c.Backend, c.Level, c.Logger = backend, Namespaces, slog.New(slog.NewTextHandler(t.Output(), nil))
			c = c.withDefaults()
			plan, err := newPlan(c)
			if err != nil {
				t.Skip("no jail with namespaces can be made here: ", err)
			}
			if alter != nil {
				alter(plan)
			}
			f(t, c, plan)
		})
	}
}

// planPool opens a pool for the length of the test.
func planPool(t *testing.T, c Config, plan *plan) *Pool {
	t.Helper()
	p, err := openAs(t.Context(), c, plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// pinningPool is one whose servers pin what their jobs write to, where they may.
func pinningPool(t *testing.T, c Config, plan *plan) *Pool {
	t.Helper()
	p := planPool(t, c, plan)
	if idleServer(p).pinned == 0 {
		t.Skip("this host lets nobody pin memory")
	}
	return p
}

func idleServer(p *Pool) *server {
	p.data.mu.Lock()
	defer p.data.mu.Unlock()
	return p.data.idle[0].server
}

// fewestFaults is of several jobs: how far a rehearsal gets before its job comes is a matter of time.
func fewestFaults(t *testing.T, p *Pool, script string) int {
	fewest := 0
	for range 5 {
		o, err := p.Run(context.Background(), Job{Script: script})
		if err != nil || o.Failure != nil {
			t.Fatal(err, o.Failure)
		}
		n, err := strconv.Atoi(string(o.Result))
		if err != nil {
			t.Fatal(err)
		}
		if fewest == 0 || n < fewest {
			fewest = n
		}
	}
	return fewest
}
