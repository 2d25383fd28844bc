package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// meter counts the CPU time, user and system, of a group of processes, of everything they fork, and of what of that is dead.
//
// It counts in a cgroup of its own where it may make one (v1's cpuacct, or v2): to the nanosecond, and nothing is missed. Elsewhere
// it sums /proc/PID/stat over the processes and their descendants, in ticks of 10 ms, the dead ones as far as somebody waited
// for them: what the kernel reaps by itself, which is how a jail lets go of a job's namespaces, is then left out.
type meter struct {
	group string // the cgroup's directory; empty without one
	pids  []int
}

func newMeter(name string) *meter {
	for _, parent := range accountingParents() {
		dir := filepath.Join(parent, fmt.Sprintf("safepy-bench-%d-%s", os.Getpid(), name))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		m := &meter{group: dir}
		if _, err := m.read(); err == nil {
			return m
		}
		os.Remove(dir)
	}
	return &meter{}
}

// accountingParents are the directories where a cgroup that counts CPU time may be made, best first.
func accountingParents() []string {
	own := map[string]string{} // controller to this process's cgroup; "" is v2's
	eachLine("/proc/self/cgroup", func(line string) {
		if parts := strings.SplitN(line, ":", 3); len(parts) == 3 {
			for c := range strings.SplitSeq(parts[1], ",") {
				own[c] = parts[2]
			}
		}
	})
	var v1, v2 []string
	eachLine("/proc/self/mounts", func(line string) {
		f := strings.Fields(line)
		if len(f) < 4 {
			return
		}
		switch {
		case f[2] == "cgroup" && slices.Contains(strings.Split(f[3], ","), "cpuacct"):
			v1 = append(v1, filepath.Join(f[1], own["cpuacct"]))
		case f[2] == "cgroup2":
			v2 = append(v2, filepath.Join(f[1], own[""]))
		}
	})
	return append(v1, v2...)
}

func eachLine(path string, f func(line string)) {
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		f(strings.TrimSpace(line))
	}
}

func (m *meter) add(pid int) { m.pids = append(m.pids, pid) }

// how says in words how it counts.
func (m *meter) how() string {
	if m.group != "" {
		return "a cgroup of its own"
	}
	return "the sum of /proc/PID/stat, without what the kernel reaped by itself"
}

// read is the CPU time used so far.
func (m *meter) read() (time.Duration, error) {
	if m.group == "" {
		return m.sum()
	}
	if text, err := os.ReadFile(filepath.Join(m.group, "cpuacct.usage")); err == nil {
		ns, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return time.Duration(ns), err
	}
	text, err := os.ReadFile(filepath.Join(m.group, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "usage_usec "); ok {
			us, err := strconv.ParseInt(value, 10, 64)
			return time.Duration(us) * time.Microsecond, err
		}
	}
	return 0, errors.New("cpu.stat has no usage_usec")
}

// missed is how many of the processes and their descendants are neither in the cgroup nor in one below it: what puts jobs into
// cgroups of their own may take them out of sight. A process that is just ending has left its cgroup, so it looks more than once.
func (m *meter) missed() (int, error) {
	missed := 0
	for range 10 {
		all, err := processes()
		if err != nil {
			return 0, err
		}
		missed = 0
		for _, pid := range descendants(all, m.pids) {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
			if err == nil && !strings.Contains(string(text), filepath.Base(m.group)) {
				missed++
			}
		}
		if m.group == "" || missed == 0 {
			return 0, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return missed, nil
}

// sum adds up the processes, their descendants, and the children of these that were waited for.
func (m *meter) sum() (time.Duration, error) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every architecture that Go runs Linux on
	all, err := processes()
	if err != nil {
		return 0, err
	}
	var total int64
	for _, pid := range descendants(all, m.pids) {
		total += all[pid].ticks
	}
	return time.Duration(total) * tick, nil
}

// settled waits until the processes rest (what a job leaves to be done after its answer is its cost too) and returns the CPU
// time then.
func (m *meter) settled() (time.Duration, error) {
	const look = 20 * time.Millisecond
	before, err := m.read()
	for range 25 {
		if err != nil {
			return 0, err
		}
		time.Sleep(look)
		var now time.Duration
		now, err = m.read()
		if now-before < look/20 {
			return now, err
		}
		before = now
	}
	return before, err
}

// close removes the cgroup, once its last process is really gone.
func (m *meter) close() {
	if m.group == "" {
		return
	}
	for range 100 {
		if os.Remove(m.group) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "bench: %s is still in use: processes were left behind\n", m.group)
}

// stat is a process as /proc shows it.
type stat struct {
	parent int
	// ticks of CPU time, its waited-for children's included.
	ticks int64
}

func processes() (map[int]stat, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	all := map[int]stat{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue // gone meanwhile
		}
		// The name, in parentheses, may hold anything; after it come state, ppid, and utime to cstime as the 14th to 17th.
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(f) < 15 {
			continue
		}
		var s stat
		s.parent, _ = strconv.Atoi(f[1])
		for _, field := range f[11:15] {
			n, _ := strconv.ParseInt(field, 10, 64)
			s.ticks += n
		}
		all[pid] = s
	}
	return all, nil
}

// descendants are the roots and everything below them.
func descendants(all map[int]stat, roots []int) []int {
	children := map[int][]int{}
	for pid, s := range all {
		children[s.parent] = append(children[s.parent], pid)
	}
	var found []int
	for pending := slices.Clone(roots); len(pending) > 0; {
		pid := pending[0]
		pending = append(pending[1:], children[pid]...)
		found = append(found, pid)
	}
	return found
}
