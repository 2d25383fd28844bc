package jail

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dumpGrace is how long a script that is over its time or its memory may take to say where it is. It ends by itself when it has.
const dumpGrace = 250 * time.Millisecond

// dumpSignal asks a job where it is: walls.DUMP_SIGNAL.
const dumpSignal = unix.SIGUSR2

// cause is why the worker ended a job.
type cause int

const (
	byItself cause = iota
	byTimeout
	byMemory
	byFlood
	byDisk
	byCancel
)

// observation is what the worker itself saw of a job's end.
type observation struct {
	cause  cause
	status syscall.WaitStatus
	cpu    time.Duration
	ended  time.Time
	// answer is the job's complete answer, where it gave one; gone says that its process has ended.
	answer *Outcome
	gone   bool
	limits Limits
	level  Level
	// left is its directory, where the server has sent it.
	left *os.File
	// ranOut says that the kernel has killed something in the jail for want of memory, nearlyOut that the job had nearly as much as it may.
	ranOut, nearlyOut bool
}

// phase is how far the worker has gone in ending the job that it watches. Each has a deadline, which leads to the next.
type phase int

const (
	// running, until the job's time is over.
	running phase = iota
	// asked where it is: it says so and ends itself within dumpGrace.
	asked
	// killed: it is gone within killGrace, or else its jail is lost.
	killed
)

// watch is a job under the eyes of its worker.
type watch struct {
	server   *server
	child    *child
	memory   *memory
	ownTime  *ownTime
	phase    phase
	deadline *time.Timer // of the phase
	look     *time.Timer // at the job's memory
	seen     observation
	// reasons are all but time and memory for which a running job is ended. Once it has been asked or killed there are none.
	reasons reasons
	// ends are the ends of pipes that are still awaited, in turn: the result's, and once that is a complete answer, the streams'.
	ends []<-chan struct{}
}

type reasons struct{ flooded, overfull, canceled <-chan struct{} }

// watchJob waits for the job's end, and brings it about when its time is over, it has more memory than it may, its output floods or ctx
// ends.
func watchJob(ctx context.Context, v *server, c *child, m *memory, p *ownTime, l Limits) (observation, error) {
	overfull, stopWatching := v.quota.Watch(v.jobPID())
	defer stopWatching()
	w := &watch{
		server: v, child: c, memory: m, ownTime: p, deadline: time.NewTimer(l.Timeout), look: time.NewTimer(m.pause()),
		seen:    observation{limits: l, level: v.level},
		reasons: reasons{flooded: c.flooded, overfull: overfull, canceled: ctx.Done()},
		ends:    []<-chan struct{}{c.result.done},
	}
	defer w.deadline.Stop()
	defer w.look.Stop()
	events := v.events
	if v.level == Process {
		// There the job is the server, and its end closes this too, before or after exited.
		events = nil
	}
	for {
		var end <-chan struct{}
		if len(w.ends) > 0 {
			end = w.ends[0]
		}
		select {
		case <-end:
			if w.pipeEnded(); w.seen.answer != nil && len(w.ends) == 0 {
				w.seen.ended = time.Now()
				return w.seen, nil
			}
		case e, ok := <-events:
			if !ok || e.ended == nil {
				return w.seen, e.lost()
			}
			w.childEnded(e.ended)
			return v.drained(c, w.seen)
		case <-v.exited:
			if v.level != Process {
				return w.seen, errJailLost
			}
			w.seen.gone = true
			w.seen.nearlyOut = m.ended(w.seen.ofProcess(v))
			return v.drained(c, w.seen)
		case <-w.reasons.flooded:
			w.kill(byFlood)
		case <-w.reasons.overfull:
			w.kill(byDisk)
		case <-w.reasons.canceled:
			w.kill(byCancel)
		case <-w.look.C:
			w.lookAtMemory()
		case <-w.deadline.C:
			switch w.phase {
			case running:
				if more := w.ownTime.more(); more > 0 {
					w.deadline.Reset(more)
				} else {
					w.ask(byTimeout)
				}
			case asked:
				w.kill(w.seen.cause)
			case killed:
				v.cmd.Process.Kill()
				return w.seen, fmt.Errorf("%w: a killed job did not end", errJailLost)
			}
		}
	}
}

// ask has a running job say where it is, after which it ends itself.
func (w *watch) ask(why cause) {
	if w.phase != running {
		return
	}
	if why != byMemory || w.memory.signal(w.server.jobPID(), dumpSignal) != nil {
		w.server.dump()
	}
	w.enter(asked, why, dumpGrace)
}

// kill ends the job, whatever it does.
func (w *watch) kill(why cause) {
	if w.phase == killed {
		return
	}
	w.server.kill()
	w.enter(killed, why, killGrace)
}

func (w *watch) enter(next phase, why cause, patience time.Duration) {
	w.phase, w.seen.cause, w.reasons = next, why, reasons{}
	w.deadline.Reset(patience)
}

// pipeEnded takes note of the pipe that has come to its end. Behind a complete answer come the streams; where there is none the end of the
// process is what counts.
func (w *watch) pipeEnded() {
	w.ends = w.ends[1:]
	if w.seen.answer != nil {
		return // it was a stream's
	}
	c := w.child
	if o, ok := parse(c.result.bytes(), w.seen.limits); ok && w.phase == running && w.server.measure(&w.seen, w.memory) {
		w.seen.answer = &o
		w.ends = []<-chan struct{}{c.stdout.done, c.stderr.done}
	}
	c.job.close() // the process may go now
}

func (w *watch) childEnded(e *childEnd) {
	w.seen.gone = true
	w.seen.status, w.seen.cpu = e.status, e.cpu
	w.seen.nearlyOut = w.memory.ended(e.maxRSS)
	w.seen.left = e.left
	w.server.namespaces = e.namespaces
}

// lookAtMemory sees whether the job, as long as it has not answered, has more than it may.
func (w *watch) lookAtMemory() {
	if w.seen.answer != nil {
		return
	}
	pid := w.server.jobPID()
	switch w.memory.look(pid) {
	case over:
		w.ask(byMemory)
	case farOver:
		_ = w.memory.signal(pid, unix.SIGKILL)
		w.kill(w.seen.cause)
	}
	w.look.Reset(w.memory.pause())
}

// measure asks the kernel what the job's process has used so far; it waits behind its answer, to be looked at. False when the
// process is not known or has gone already: its end will tell.
func (v *server) measure(o *observation, m *memory) bool {
	cpu, err := cpuTime(v.jobPID())
	if err != nil {
		return false
	}
	o.cpu = cpu
	return m.answered(v.jobPID()) == nil
}

// drained waits for the ends of the pipes, which come with the process's.
func (v *server) drained(c *child, seen observation) (observation, error) {
	deadline := time.NewTimer(killGrace)
	defer deadline.Stop()
	for _, r := range []*reader{c.result, c.stdout, c.stderr} {
		select {
		case <-r.done:
		case <-deadline.C:
			return seen, fmt.Errorf("%w: a job's output did not end with it", errJailLost)
		}
	}
	seen.ended = time.Now()
	return seen, nil
}

func (v *server) dump() {
	if v.level == Process {
		unix.Kill(v.pid, dumpSignal)
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

// ofProcess reads the end of a job at level Process off nsjail, which passes on its child's: 128 + n stands for signal n. It returns the
// most that was resident, or 0 where that may have been the worker itself: the kernel counts for a process what the one had that it was
// made from, until it has become another program.
func (o *observation) ofProcess(v *server) (maxRSS int64) {
	state := v.cmd.ProcessState
	if code := state.ExitCode(); code > 128 && code < 128+65 {
		o.status = syscall.WaitStatus(code - 128)
	} else {
		o.status = syscall.WaitStatus(max(code, 0) << 8)
	}
	o.cpu = state.UserTime() + state.SystemTime()
	var own syscall.Rusage
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok || syscall.Getrusage(syscall.RUSAGE_SELF, &own) != nil || usage.Maxrss <= own.Maxrss {
		return 0
	}
	return usage.Maxrss << 10
}
