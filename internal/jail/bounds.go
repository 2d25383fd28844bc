package jail

import (
	"fmt"
	"slices"
	"strings"

	"safepy/internal/jail/cgroup"
	"safepy/internal/jail/procfs"
)

// Enforcement says which of a job's limits a cgroup holds it to, and of the others why not. Before each of them stands an rlimit of
// the job's own process, which is all that there is where no cgroup can be made.
type Enforcement = cgroup.Enforcement

// Control is one kind of limit.
type Control = cgroup.Control

// Enforced is what the pool's jails are held to by cgroups.
func (p *Pool) Enforced() Enforcement { return p.plan.enforced }

// kernelRoom is for what the kernel takes for a job: 4096 inodes of its files (4 MB), all its descriptors being full pipes (16 MB),
// page tables and stacks of its threads (2 MB), and the pages of its own that the fork server copies while it serves. Of all that
// an ordinary job takes next to nothing: 300 DataFrame jobs in one jail never had more than 10 MB charged, their heaps included.
const kernelRoom = 32 << 20

// fewProcesses are in a jail's cgroup beside the threads of its job: the server, the job's main thread, its pause process, the next ones,
// and of the ended ones those that have not been waited for.
const fewProcesses = 8

// bounds are those of the cgroup of the jail whose server is pid, with its libraries loaded. A job's own memory is the worker's to watch:
// this is the wall behind it, for what that does not see (files in the working directory, pipes, sockets) and for a worker that has no time
// to look. It must hold a job that uses all of what it may, and copies every page that the server could write to: what was the server's
// does not count as the job's own.
func (p *plan) bounds(pid int) cgroup.Bounds {
	copied, err := procfs.StatusField(pid, "VmData")
	if err != nil {
		copied = 64 << 20 // it is 41 MB with pandas loaded
	}
	l := p.cgroupLimits
	b := cgroup.Bounds{
		Memory: l.memory() + int64(l.DiskMB)<<20 + copied + kernelRoom, NoSwap: true,
		Pids: int64(l.Threads) + fewProcesses, CPU: cgroup.CPUPeriod,
	}
	if p.faults.bounds != nil {
		p.faults.bounds(&b)
	}
	return b
}

// openCgroups finds out what a cgroup can bound here, with the jail that has been tried, which gets one.
func (p *plan) openCgroups(v *server) {
	p.cgroupLimits = p.limits
	p.cgroupLimits.importAllowanceMB += importAllowanceMB // for any job it may be allowed
	if p.cgroupUse == CgroupOff {
		p.cgroups = cgroup.Off("JAIL_CGROUP is off")
	} else {
		p.cgroups, v.cgroup = cgroup.Open(v.pid, p.bounds(v.pid), p.log)
	}
	p.enforced = p.cgroups.Enforced()
}

// intoCgroup gives a jail a cgroup of its own, before its first child is forked; nothing of it is on a job's way.
func (p *plan) intoCgroup(v *server) (err error) {
	if p.faults.noCgroup {
		return nil
	}
	v.cgroup, err = p.cgroups.Put(v.pid, p.bounds(v.pid))
	return err
}

// complete is nil where a cgroup bounds all that one can.
func complete(e Enforcement) error {
	names, reasons := e.Missing()
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("JAIL_CGROUP is required, but no cgroup bounds %s here: %s; give the worker a cgroup that it may write: on a host"+
		" start it as root or in a systemd unit of its own with Delegate=yes, in a container mount /sys/fs/cgroup writable; or set"+
		" JAIL_CGROUP=auto to run with rlimits alone", strings.Join(names, ", "), strings.Join(slices.Compact(reasons), "; "))
}
