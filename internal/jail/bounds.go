package jail

import "safepy/internal/jail/procfs"

// jailCgroup is the cgroup of one jail. A nil one bounds nothing.
type jailCgroup struct {
	group group
	kills int64 // as many as there were before the job
}

// kernelRoom is for what the kernel takes for a job: 4096 inodes of its files (4 MB), all its descriptors being full pipes (16 MB),
// page tables and stacks of its threads (2 MB), and the pages of its own that the fork server copies while it serves. Of all that
// an ordinary job takes next to nothing: 300 DataFrame jobs in one jail never had more than 10 MB charged, their heaps included.
const kernelRoom = 32 << 20

// fewProcesses are in a jail's cgroup beside the threads of its job: the server, the job's main thread, its holder, the next holders,
// and of the ended ones those that have not been waited for.
const fewProcesses = 8

// bounds are those of the jail whose server is pid, with its libraries loaded. A job's own memory is the worker's to watch: this is the
// wall behind it, for what that does not see (files in the working directory, pipes, sockets) and for a worker that has no time to
// look. It must hold a job that uses all of what it may, and copies every page that the server could write to: what was the server's does
// not count as the job's own.
func (c *cgroups) bounds(pid int) bounds {
	copied, err := procfs.StatusField(pid, "VmData")
	if err != nil {
		copied = 64 << 20 // it is 41 MB with pandas loaded
	}
	return bounds{
		memory: c.limits.memory() + int64(c.limits.DiskMB)<<20 + copied + kernelRoom, noSwap: true,
		pids: int64(c.limits.Threads) + fewProcesses, cpu: cpuPeriod,
	}
}

// before is called before each job.
func (j *jailCgroup) before() {
	if j != nil {
		j.kills, _ = j.group.oomKills()
	}
}

// ranOut reports whether a process in the jail has been killed for want of memory since then.
func (j *jailCgroup) ranOut() bool {
	if j == nil {
		return false
	}
	kills, err := j.group.oomKills()
	return err == nil && kills > j.kills
}

func (j *jailCgroup) remove() error {
	if j == nil {
		return nil
	}
	return removeGroup(j.group)
}
