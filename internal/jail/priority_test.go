package jail

import (
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// niceness is a process's own, and its session's where there is such a thing.
func niceness(t *testing.T, pid int) [2]int {
	t.Helper()
	nice, err := niceOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	_, session := autogroup(pid)
	return [2]int{nice, session}
}

// TestLowerPriority: a process gets low priority, alone or with its session, and its old one back.
func TestLowerPriority(t *testing.T) {
	for _, own := range []bool{true, false} {
		c := exec.Command("sleep", "60")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: own}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer c.Wait()
		defer c.Process.Kill()
		pid := c.Process.Pid
		if own {
			eventually(t, "a session of its own", func() bool {
				group, _ := autogroup(pid)
				return group == "" || group != ownAutogroup()
			})
		}
		before, mine := niceness(t, pid), niceness(t, unix.Getpid())
		restorePriority := lowerPriority(pid, time.Hour)
		now := niceness(t, pid)
		if canRestorePriority() && now[0] != min(before[0]+lowPriorityNice, nicest) {
			t.Errorf("own session %v: nice %d, was %d", own, now[0], before[0])
		}
		if group, _ := autogroup(pid); own && group != "" && now[1] != min(before[1]+lowPriorityNice, nicest) {
			t.Errorf("its session is nice %d, was %d", now[1], before[1])
		}
		if err := restorePriority(); err != nil {
			t.Error(err)
		}
		if now := niceness(t, pid); now != before {
			t.Errorf("own session %v: back at %v, was %v", own, now, before)
		}
		lowerPriority(pid, time.Nanosecond)
		eventually(t, "it has come back by itself", func() bool { return niceness(t, pid) == before })
		if now := niceness(t, unix.Getpid()); now != mine {
			t.Errorf("this process: %v, was %v", now, mine)
		}
	}
}

// TestLowerPriorityOfNobody: a process that has ended is no reason to fail for.
func TestLowerPriorityOfNobody(t *testing.T) {
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	if err := lowerPriority(c.Process.Pid, time.Hour)(); err != nil {
		t.Error(err)
	}
}

// TestSuccessorsComeBack: a jail that has started in the background serves as fast as any other.
func TestSuccessorsComeBack(t *testing.T) {
	eachPool(t, Config{MaxJobs: 3}, func(t *testing.T, p *Pool) {
		first := idle(t, p)
		want := niceness(t, first)
		eventually(t, "another server", func() bool {
			wantResult(t, p, "def main(): return 1", "1")
			return idle(t, p) != first
		})
		if now := niceness(t, idle(t, p)); now != want {
			t.Errorf("the successor is nice %v, the first one was %v", now, want)
		}
		// So does the job in it.
		wantResult(t, p, "import os\ndef main(): return os.getpriority(os.PRIO_PROCESS, 0)", strconv.Itoa(want[0]))
	})
}

// TestStartAtLowPriority: a successor that starts is nicer than the jails that serve.
func TestStartAtLowPriority(t *testing.T) {
	eachPlan(t, Config{}, nil, func(t *testing.T, c Config, p *plan) {
		v, err := p.start(wanted{})
		if err != nil {
			t.Fatal(err)
		}
		defer v.close()
		if group, _ := autogroup(v.pid); (group == "" || group == ownAutogroup()) && !canRestorePriority() {
			t.Skip("on this host a process cannot come back")
		}
		usual := niceness(t, v.pid)
		p.faults.settings = python("while True: pass") // it never gets ready
		var starting sync.WaitGroup
		starting.Go(func() { p.start(wanted{lowPriority: true}) })
		eventually(t, "a jail that starts gives way", func() bool {
			for _, pid := range descendants(t, unix.Getpid()) {
				nice, err := niceOf(pid)
				if err != nil || pid == v.pid {
					continue
				}
				if _, session := autogroup(pid); nice > usual[0] || session > usual[1] {
					return unix.Kill(pid, unix.SIGKILL) == nil
				}
			}
			return false
		})
		starting.Wait()
	})
}
