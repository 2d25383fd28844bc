package cgroup

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

// cgroupPrefix begins the name of the directory with all cgroups of one process: safepy-<its pid>-<when it started>.
const cgroupPrefix = "safepy-"

var parentName = sync.OnceValue(func() string {
	return fmt.Sprintf("%s%d-%s", cgroupPrefix, os.Getpid(), procfs.StartTime(os.Getpid()))
})

// groups counts those that this process has made.
var groups atomic.Int64

func newGroupName() string { return parentName() + "/" + strconv.FormatInt(groups.Add(1), 10) }

// dropParent removes the directory with this process's groups, unless another pool still has some in it.
func dropParent(h hierarchy) {
	tree.Lock()
	defer tree.Unlock()
	if len(h.list(parentName())) == 0 {
		h.find(parentName()).remove()
	}
}

// removeLeftovers removes the cgroups of workers that are no more, and ends what is still alive in them: a worker that was killed
// could do neither.
func removeLeftovers(h hierarchy, log *slog.Logger) {
	var names []string
	for _, name := range h.list("") {
		if abandoned(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, parent := range slices.Compact(names) {
		left := h.list(parent)
		slices.Sort(left)
		var err error
		for _, name := range append(prefixed(parent, slices.Compact(left)), parent) {
			if failure := removeGroup(h.find(name)); failure != nil {
				err = failure
			}
		}
		if err != nil {
			log.Warn("cgroups of a worker that is gone cannot be removed", "cgroup", parent, "error", err)
			continue
		}
		log.Info("cgroups of a worker that is gone are removed", "cgroup", parent, "jails", len(slices.Compact(left)))
	}
}

func prefixed(parent string, names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, parent+"/"+name)
	}
	return all
}

// removeGroup ends what is in g, waits for it to be gone and removes g.
func removeGroup(g group) error {
	for wait := time.Millisecond; ; wait *= 2 {
		pids := g.pids()
		if slices.Contains(pids, 0) {
			return fmt.Errorf("processes of another pid namespace are in it")
		}
		for _, pid := range pids {
			unix.Kill(pid, unix.SIGKILL)
		}
		if len(pids) == 0 || wait > time.Second {
			return g.remove()
		}
		time.Sleep(wait)
	}
}

// abandoned reports whether the directory is that of a process which is no more. The start time tells a process from a later one
// with its pid; a process that has ended and was not waited for yet is no more, too.
func abandoned(name string) bool {
	rest, ok := strings.CutPrefix(name, cgroupPrefix)
	if !ok {
		return false
	}
	number, started, ok := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(number)
	if !ok || err != nil || started == "" {
		return false
	}
	fields := procfs.StatFields(pid)
	return procfs.StartTime(pid) != started || fields[0] == "Z"
}

func subdirectories(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// processes are those in a cgroup's directory.
func processes(dir string) []int {
	text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	var pids []int
	for line := range strings.Lines(string(text)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// count reads one line of a cgroup's file of names and numbers.
func count(path, name string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name {
			return strconv.ParseInt(fields[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s does not tell %s", path, name)
}
