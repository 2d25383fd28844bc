package jail

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errJailLost means that the jail went away under a job, or never took it: the job may run again in another one.
var errJailLost = errors.New("the jail was lost")

// order is what a child reads before anything else: the job, and those of its limits that no one else can set.
type order struct {
	Script     string          `json:"script"`
	Program    bool            `json:"program,omitempty"`
	Args       json.RawMessage `json:"args,omitempty"`
	Files      []File          `json:"files,omitempty"`
	CPUSeconds int             `json:"cpu_seconds"`
}

// reapGrace is how long a job may take to be gone by itself once it has answered.
const reapGrace = 50 * time.Millisecond

// killGrace is how long a killed job may take to be gone before its whole jail is ended.
const killGrace = 2 * time.Second

// run gives the prepared child its job and sees it to its end. An error wraps errJailLost or is the host's own. A job that has
// answered may still be there: reap, unless it is nil, waits for it to be gone, after which the jail can be used again.
func (v *server) run(ctx context.Context, j Job) (o Outcome, reap func() error, err error) {
	begun := time.Now()
	limits := v.limits.narrowed(j)
	c := v.next
	v.next = nil
	defer c.close()
	v.served++

	if j.Began != nil {
		j.Began(&Output{stdout: c.stdout, stderr: c.stderr, changed: make(chan struct{}, 1)})
	}
	payload, err := encodeOrder(j, limits)
	if err != nil {
		return Outcome{}, nil, err
	}
	before, _ := cpuTime(v.jobPID()) // what it took to make the process ready is not the job's
	m := v.weigh(limits)
	defer m.close()
	c.job.send(payload)
	c.stdin.send([]byte(j.Stdin))
	c.stdin.end()

	exited := v.exited
	if v.level == Process {
		exited = nil // the job is the jail there, and may be done by now; its pipes tell whether it was sandboxed
	}
	select {
	case <-c.sandboxed:
	case <-exited:
		return Outcome{}, nil, errJailLost
	}
	if err := c.failure(); err != nil {
		return Outcome{}, nil, fmt.Errorf("%w: %w", errJailLost, err)
	}
	sandboxed := time.Now()
	var p *ownTime
	if j.Patient {
		p = newOwnTime(v.jobPID(), limits.Timeout)
	}
	seen, err := watchJob(ctx, v, c, m, p, limits)
	defer func() { seen.left.Close() }() // nil where nobody has sent it, or it has been read
	if errors.Is(err, errJailLost) && v.cgroup.RanOut() {
		// The kernel has killed the server and not the job. Another jail would be the next: it runs in no other.
		lost := err
		reap = func() error { return lost }
		seen.gone, seen.ranOut, seen.status, seen.ended, err = true, true, syscall.WaitStatus(syscall.SIGKILL), time.Now(), nil
	}
	if err != nil {
		return Outcome{}, nil, err
	}
	if seen.answer != nil {
		o = *seen.answer
	} else {
		v.counted = false
		seen.ranOut = seen.ranOut || v.cgroup.RanOut()
		var own bool
		if o, own = claimed(seen, c.result.bytes()); !own {
			shown, rest := limits.outputs(c.result.bytes()[1:]) // its first byte has come, or there would be no job
			o.Outputs, o.DroppedOutputs = shown.array(), shown.droppedAtLeast(0)
			if o.ExitCode = exitCode(seen, j); o.ExitCode == nil {
				o.Failure = failed(seen, rest, j)
			}
			o.Files, o.UnnamedFiles = v.collect(&seen, j.Files)
		}
	}
	if o.Failure == nil && v.quota.Exceeded() {
		o.Result, o.Failure = nil, diskFull(limits)
	}
	switch {
	case !j.Program:
		o.ExitCode = nil // whatever it says
	case o.Failure == nil:
		o.Result = json.RawMessage("null")
	}
	o.Stdout, o.Stderr = c.stdout.stream(), c.stderr.stream()
	o.Usage = Usage{
		Setup: sandboxed.Sub(begun), Wall: seen.ended.Sub(sandboxed), CPU: max(0, seen.cpu-before),
		MemoryPeakBytes: m.peak, Making: v.making(c),
	}
	if o.Failure != nil {
		o.Failure.mention(m, limits)
	}
	if !seen.gone {
		reap = v.reap
	}
	return o, reap, nil
}

// making is what was measured while a sandboxed child was made.
func (v *server) making(c *child) Making {
	m := Making{Namespaces: v.namespaces, Walls: c.result.first.Sub(v.started) - c.ordered}
	if forked := time.Duration(v.forkedAt.Load()); forked != 0 {
		m.Fork = min(forked-c.ordered, m.Walls) // a busy machine hears of both in any order
		m.Walls -= m.Fork
	}
	return m
}

// encodeOrder is the job as job.py reads it: its length in eight bytes, then JSON.
func encodeOrder(j Job, l Limits) ([]byte, error) {
	body, err := json.Marshal(order{
		Script: j.Script, Program: j.Program, Args: j.Args, Files: j.Files, CPUSeconds: cpuSeconds(l.Timeout),
	})
	if err != nil {
		return nil, fmt.Errorf("encode job: %w", err)
	}
	return append(binary.BigEndian.AppendUint64(nil, uint64(len(body))), body...), nil
}

// reap waits until a job that has answered is gone, and sees to it: what it left running has no business any more.
func (v *server) reap() error {
	if v.level == Process {
		return nil // the jail is used once, and closing it ends the job
	}
	timer := time.NewTimer(reapGrace)
	defer timer.Stop()
	for killed := false; ; killed = true {
		select {
		case e, ok := <-v.events:
			if !ok || e.ended == nil {
				return e.lost()
			}
			if !endedWell(e.ended.status) {
				v.counted = false
			}
			e.ended.left.Close() // it has said itself what it leaves
			v.namespaces = e.ended.namespaces
			return nil
		case <-v.exited:
			return errJailLost
		case <-timer.C:
			if killed {
				return fmt.Errorf("%w: a job did not end after its answer", errJailLost)
			}
			v.kill()
			timer.Reset(killGrace)
		}
	}
}

// cpuTime is the CPU time that all threads of a process have used.
func cpuTime(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, errJailLost
	}
	var now unix.Timespec
	const processClock = 2 // the kernel's clock id of another process: its pid, inverted, above three bits that say which clock
	if err := unix.ClockGettime(int32(^pid<<3|processClock), &now); err != nil {
		return 0, fmt.Errorf("cpu time: %w", err)
	}
	return time.Duration(now.Nano()), nil
}

// collect takes what a job has left that is gone and has not said so itself. Its directory comes from the server, where it is a tmpfs that
// went with the job's namespaces; at level Process it is on the disk.
func (v *server) collect(seen *observation, given []File) (files []File, unnamed int) {
	left := seen.left
	seen.left = nil
	if v.level == Process {
		left = v.quota.Open()
	}
	return collect(left, v.jobUID, given, v.limits)
}

// narrowed are the limits of one job: its own where it asks for less.
func (l Limits) narrowed(j Job) Limits {
	if j.Timeout > 0 && j.Timeout < l.Timeout {
		l.Timeout = j.Timeout
	}
	if j.MemoryMB > 0 && j.MemoryMB < l.MemoryMB {
		l.MemoryMB = j.MemoryMB
	}
	l.importAllowanceMB += j.allowanceMB
	return l
}

// cpuSeconds is RLIMIT_CPU, in the whole seconds it knows: a little over the wall clock's, which is the exact one.
func cpuSeconds(timeout time.Duration) int {
	return int((timeout+time.Second-1)/time.Second) + 1
}
