package jail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errLost means that the jail went away under a job, or never took it: the job may run again in another one.
var errLost = errors.New("the jail was lost")

// order is what a child reads before anything else: the job, and those of its limits that no one else can set.
type order struct {
	Script      string          `json:"script"`
	Args        json.RawMessage `json:"args,omitempty"`
	Files       []File          `json:"files,omitempty"`
	Denied      []string        `json:"denied"`
	CPUSeconds  int             `json:"cpu_seconds"`
	MemoryBytes int64           `json:"memory_bytes"`
}

// dumpGrace is how long a script that is over its time may take to say where it is.
const dumpGrace = 50 * time.Millisecond

// killGrace is how long a killed job may take to be gone before its whole jail is ended.
const killGrace = 2 * time.Second

// run gives the prepared child its job and sees it to its end. An error wraps errLost or is the host's own.
func (v *server) run(ctx context.Context, j Job, denied []string) (Outcome, error) {
	begun := time.Now()
	limits := v.limits.narrowed(j)
	c := v.next
	v.next = nil
	defer c.close()
	v.served++

	payload, err := json.Marshal(order{
		Script: j.Script, Args: j.Args, Files: j.Files, Denied: denied,
		CPUSeconds: cpuSeconds(limits.Timeout), MemoryBytes: int64(limits.MemoryMB) << 20,
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("encode job: %w", err)
	}
	feed(c.job, payload)
	feed(c.stdin, []byte(j.Stdin))

	select {
	case <-c.walled:
	case <-v.exited:
		return Outcome{}, errLost
	}
	if err := c.failure(); err != nil {
		return Outcome{}, fmt.Errorf("%w: %w", errLost, err)
	}
	walled := time.Now()
	seen, err := v.watch(ctx, c, limits)
	if err != nil {
		return Outcome{}, err
	}
	seen.limits, seen.level = limits, v.level
	outcome := judge(seen, c.result.bytes(), j.Script)
	outcome.Stdout, outcome.Stderr = c.stdout.stream(), c.stderr.stream()
	outcome.Usage = Usage{
		Setup: walled.Sub(begun), Wall: seen.ended.Sub(walled), CPU: seen.cpu,
		MemoryPeakBytes: max(0, seen.maxRSS-v.baseRSS),
	}
	return outcome, nil
}

// feed writes all of data and closes the file, in its own time: a pipe holds little, and the script may never read. Closing the
// file ends it.
func feed(f interface {
	Write([]byte) (int, error)
	Close() error
}, data []byte) {
	if len(data) == 0 {
		f.Close()
		return
	}
	const pipeHolds = 4 << 10 // what the kernel grants at least, once a user has many pipes
	if len(data) <= pipeHolds {
		f.Write(data)
		f.Close()
		return
	}
	go func() {
		f.Write(data)
		f.Close()
	}()
}

// cause is why the worker ended a job.
type cause int

const (
	byItself cause = iota
	byTimeout
	byFlood
	byCancel
)

// observation is what the worker itself saw of a job's end.
type observation struct {
	cause  cause
	status syscall.WaitStatus
	cpu    time.Duration
	maxRSS int64
	ended  time.Time
	limits Limits
	level  Level
}

// watch waits for the job's end, and brings it about when its time is over, its output floods or ctx ends.
func (v *server) watch(ctx context.Context, c *child, l Limits) (observation, error) {
	var seen observation
	timeout := time.NewTimer(l.Timeout)
	defer timeout.Stop()
	var kill <-chan time.Time // when a job that is to end has said where it is, or not
	var lost <-chan time.Time
	end := func(why cause) {
		if seen.cause != byItself {
			return
		}
		seen.cause = why
		if why != byTimeout {
			v.kill()
			lost = time.After(killGrace)
			return
		}
		drain(c.result.grown)
		v.dump()
		kill = time.After(dumpGrace)
	}
	done := ctx.Done()
	events := v.events
	if v.level == Process {
		// There the job is the server, and its end closes this too, before or after exited.
		events = nil
	}
	grown := (<-chan struct{})(nil)
	for {
		if kill != nil {
			grown = c.result.grown
		}
		select {
		case e, ok := <-events:
			if !ok || e.Status == nil {
				return seen, errLost
			}
			seen.status, seen.cpu, seen.maxRSS = syscall.WaitStatus(*e.Status), time.Duration(e.CPUMS*float64(time.Millisecond)), e.MaxRSS
			return v.drained(c, seen)
		case <-v.exited:
			if v.level != Process {
				return seen, errLost
			}
			seen.ofProcess(v)
			return v.drained(c, seen)
		case <-timeout.C:
			end(byTimeout)
		case <-c.flooded:
			end(byFlood)
		case <-done:
			done = nil
			end(byCancel)
		case <-grown:
			kill, grown = nil, nil
			v.kill()
			lost = time.After(killGrace)
		case <-kill:
			kill, grown = nil, nil
			v.kill()
			lost = time.After(killGrace)
		case <-lost:
			v.cmd.Process.Kill()
			return seen, fmt.Errorf("%w: a killed job did not end", errLost)
		}
	}
}

// drained waits for the ends of the pipes, which come with the process's.
func (v *server) drained(c *child, seen observation) (observation, error) {
	deadline := time.NewTimer(killGrace)
	defer deadline.Stop()
	for _, r := range []*reader{c.result, c.stdout, c.stderr} {
		select {
		case <-r.done:
		case <-deadline.C:
			return seen, fmt.Errorf("%w: a job's output did not end with it", errLost)
		}
	}
	seen.ended = time.Now()
	return seen, nil
}

func (v *server) dump() {
	if v.level == Process {
		unix.Kill(v.pid, unix.SIGUSR2)
		return
	}
	v.control.Write([]byte("dump"))
}

func (v *server) kill() {
	if v.level == Process {
		unix.Kill(v.pid, unix.SIGKILL)
		return
	}
	v.control.Write([]byte("kill"))
}

// ofProcess reads the end of a job at level Process off nsjail, which passes on its child's: 128 + n stands for signal n.
func (o *observation) ofProcess(v *server) {
	state := v.cmd.ProcessState
	if code := state.ExitCode(); code > 128 && code < 128+65 {
		o.status = syscall.WaitStatus(code - 128)
	} else {
		o.status = syscall.WaitStatus(max(code, 0) << 8)
	}
	o.cpu = state.UserTime() + state.SystemTime()
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		o.maxRSS = usage.Maxrss << 10
	}
}

func drain(c <-chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// narrowed are the limits of one job: its own where it asks for less.
func (l Limits) narrowed(j Job) Limits {
	if j.Timeout > 0 && j.Timeout < l.Timeout {
		l.Timeout = j.Timeout
	}
	if j.MemoryMB > 0 && j.MemoryMB < l.MemoryMB {
		l.MemoryMB = j.MemoryMB
	}
	return l
}

// cpuSeconds is RLIMIT_CPU, in the whole seconds it knows: a little over the wall clock's, which is the exact one.
func cpuSeconds(timeout time.Duration) int {
	return int((timeout+time.Second-1)/time.Second) + 1
}
