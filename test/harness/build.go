// Package harness starts the service's real programs for the suites beside it: it builds them once, runs them on free ports,
// waits for what they say and not for time to pass, and ends them by their process ids. It speaks to none of them beyond
// asking whether they are ready: the suites do that, over HTTP, with structs of their own.
package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Binary is the path of one of the programs under cmd, built with the race detector if the test itself is.
func Binary(name string) (string, error) {
	if raceDetector {
		return built(buildRace, name)
	}
	return built(buildPlain, name)
}

// PlainBinary is one without the race detector in any case, for what is counted: its memory is not the program's.
func PlainBinary(name string) (string, error) { return built(buildPlain, name) }

func built(build func() (string, error), name string) (string, error) {
	dir, err := build()
	return filepath.Join(dir, name), err
}

var (
	buildPlain = sync.OnceValues(func() (string, error) { return build(false) })
	buildRace  = sync.OnceValues(func() (string, error) { return build(true) })
)

// build builds every program, once in a run of the tests: the next package finds them up to date. They lie in the tree, not in
// a folder of the run's, because go build links again for every new place.
func build(race bool) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "bin", "test")
	args := []string{"build", "-buildvcs=false"}
	if race {
		dir += "-race"
		args = append(args, "-race")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	cmd := exec.Command(goTool(), append(args, "-o", dir+"/", "./cmd/...")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return dir, nil
}

// Root is the folder that holds go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("no go.mod above the test's folder")
}

// lock keeps the packages that go test runs side by side from building into one folder at once.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func goTool() string {
	if path, err := exec.LookPath("go"); err == nil {
		return path
	}
	return "/usr/local/go/bin/go" // where Go's own archive puts it, and often nothing puts it on PATH
}
