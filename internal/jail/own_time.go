package jail

import (
	"time"

	"safepy/internal/jail/procfs"
)

// mostDelay is how many times its timeout a job may last whose waits for a processor are not its own.
const mostDelay = 20

// ownTime lets a job have its time on a machine that has too little of it: where a program is judged by whether it ends in time, the
// time in which it could have run, and other programs did, is not its own.
type ownTime struct {
	begun   time.Time
	timeout time.Duration
	before  time.Duration
	pid     int
	// known is false where the kernel does not say how long a process waits.
	known bool
}

func newOwnTime(pid int, timeout time.Duration) *ownTime {
	before, err := procfs.RunDelay(pid)
	return &ownTime{begun: time.Now(), timeout: timeout, before: before, pid: pid, known: err == nil}
}

// more is what is left of the job's time now that the clock says that none is; 0 where there is none, and for a job that has none of it.
func (p *ownTime) more() time.Duration {
	if p == nil || !p.known {
		return 0
	}
	delay, err := procfs.RunDelay(p.pid)
	lasted := time.Since(p.begun)
	if err != nil || lasted >= mostDelay*p.timeout {
		return 0
	}
	left := p.timeout - (lasted - (delay - p.before))
	if left <= 0 {
		return 0
	}
	return max(left, time.Millisecond)
}
