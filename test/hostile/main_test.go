// Package hostile attacks the service as its users could: every file under attacks is a script that is sent over HTTP to real
// programs. What counts is the effect: files of the host, listeners on the host, processes that are left, the next job; never
// what the service says about itself.
package hostile

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"safepy/test/harness"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == withoutNamespaces {
		fmt.Fprintln(os.Stderr, runWithoutNamespaces(os.Args[2:]))
		os.Exit(1)
	}
	harness.Main(m, 0)
}

// settings of every worker here: no name is denied, since the scripts' manners are not what is tested.
var settings = []string{"DENIED_NAMES=", "JOB_TIMEOUT=20s", "LOG_LEVEL=info"}

// eachJail runs f against the service with each backend and at each level that this machine can make.
func eachJail(t *testing.T, slots int, f func(t *testing.T, s *service)) {
	eachWorker(t, slots, func(t *testing.T, level string, worker *exec.Cmd, env []string) {
		f(t, start(t, level, worker, env...))
	})
}

// eachWorker is eachJail before anything is started.
func eachWorker(t *testing.T, slots int, f func(t *testing.T, level string, worker *exec.Cmd, env []string)) {
	env := append([]string{fmt.Sprintf("WORKER_CONCURRENCY=%d", slots)}, settings...)
	harness.Backends(t, func(t *testing.T, jail string) {
		f(t, namespaces, workerCommand(t), append(env, "JAIL="+jail, "JAIL_ISOLATION=namespaces"))
	})
	t.Run("process", func(t *testing.T) {
		if _, err := exec.LookPath("nsjail"); err != nil {
			t.Skip("nsjail is not on PATH, and no other backend does without namespaces")
		}
		own, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		worker := workerCommand(t)
		worker.Path, worker.Args = own, []string{own, withoutNamespaces, worker.Path}
		f(t, process, worker, append(env, "JAIL=nsjail", "JAIL_ISOLATION=auto", "JAIL_CHROOT="+rootTree(t)))
	})
}

const (
	namespaces = "namespaces"
	process    = "process"
)

// service is the service and the level that its jails have.
type service struct {
	*harness.Service
	level  string
	worker *harness.Process
	bait   *bait
	// seen is how much of the worker's log has been looked at.
	seen int
}

func workerCommand(t *testing.T) *exec.Cmd {
	t.Helper()
	program, err := harness.Binary("worker")
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(program)
}

// start starts Redis, a worker by this command, and the API.
func start(t *testing.T, level string, worker *exec.Cmd, env ...string) *service {
	t.Helper()
	redis := harness.StartRedis(t)
	socket := strings.TrimPrefix(redis.URL, "unix://")
	for _, path := range []string{filepath.Dir(socket), socket} { // a worker may be anybody, and so may an attack
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	env = append(env, "REDIS_URL="+redis.URL, "WORKER_ADDR=127.0.0.1:0")
	s := &service{Service: &harness.Service{Redis: redis}, level: level}
	s.worker = harness.StartCommand(t, "worker", worker, env...)
	s.worker.Await("jails are warm.*isolation=" + level)
	s.API, s.URL = harness.StartAPI(t, "api", env...)
	harness.Ready(t, s.URL)
	s.bait = layBait(t, redis.URL)
	return s
}

// nobody is a worker with no privilege at all, whose jobs have its own uid.
func nobody(t *testing.T) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: every worker here is one without privilege")
	}
	// The tree may lie where nobody else can go.
	dir, err := os.MkdirTemp("", "worker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	worker := workerCommand(t)
	program, err := os.ReadFile(worker.Path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "worker")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(copied, program, 0o755)); err != nil {
		t.Fatal(err)
	}
	worker = exec.Command(copied)
	worker.Dir = "/"
	worker.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyUID, Gid: nobodyUID}}
	return worker
}

const nobodyUID = 65534

// rootTree is what level process confines jobs to, laid out by the script that also makes the images' own.
func rootTree(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: a root tree for jails without namespaces cannot be laid out")
	}
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(t.TempDir(), "root")
	if out, err := exec.Command(filepath.Join(root, "scripts", "jail-root.sh"), tree).CombinedOutput(); err != nil {
		t.Fatalf("lay out a root tree: %v\n%s", err, out)
	}
	return tree
}
