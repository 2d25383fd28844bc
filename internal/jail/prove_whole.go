package jail

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"safepy/internal/jail/cgroup"
)

// wholeLimits are those of the jail whose bounds as a whole are tried: small, so that going beyond them is quick and takes little
// from the host. What writes them into a cgroup is the same for any.
var wholeLimits = Limits{MemoryMB: 8, DiskMB: 8, Threads: 4}

// So much more than its limits does the attack try to take: what is not counted as the job's own (kernelRoom, the server's pages),
// and some.
const (
	wholeMegabytes = 256
	wholeThreads   = 32
	// lookPatience is what a job may take to be found with too much on disk or in memory.
	lookPatience = 5 * time.Second
)

// attackWhole tries what bounds the jail as a whole: the cgroup, with no rlimit and no look of the worker's before it that would do its
// work.
func (p *Pool) attackWhole(ctx context.Context, _ *decoys) (map[string]string, error) {
	found := map[string]string{}
	enforced := p.plan.enforced
	for wall, control := range map[string]Control{
		"jail's memory": enforced.Memory, "jail's swap": enforced.Swap,
		"jail's processes": enforced.Pids, "jail's processor time": enforced.CPU,
	} {
		found[wall] = control.Missing
	}
	if !p.plan.cgroups.Available() && p.plan.level != Process {
		return found, nil
	}
	plan := *p.plan
	plan.cgroupLimits = wholeLimits
	plan.limits.DiskMB, plan.faults.noMemoryLimit = wholeLimits.DiskMB, true
	own, err := p.proving(ctx, plan, func(s *settings) {
		s.Rehearse, s.Profile = false, false
		delete(s.Rlimits, "NPROC")
	})
	if err != nil {
		return nil, err
	}
	defer own.Close()
	if err := own.lookAtCgroup(found); err != nil {
		return nil, err
	}
	if enforced.Pids.By != "" {
		o, err := own.attackOnce(ctx, "threads", Job{Timeout: attackTimeout})
		if err != nil {
			return nil, err
		}
		found["jail's processes"] = reached(o)
	}
	if enforced.Memory.By != "" {
		o, err := own.attackOnce(ctx, "memory", Job{Timeout: attackTimeout})
		if err != nil {
			return nil, err
		}
		// One that its cgroup has not ended may yet have been, by the container's.
		if found["jail's memory"] = reached(o); o.Failure != nil && o.Failure.Code == MemoryLimit {
			found["jail's memory"] = ""
		}
	}
	if p.plan.level == Process {
		found["size of the working directory"], err = own.attackDisk(ctx)
	}
	return found, err
}

// attackDisk puts more into the working directory than may be there, in each of the ways in which the worker must look for it.
func (p *Pool) attackDisk(ctx context.Context) (string, error) {
	return p.attackWatched(ctx, OutputLimit, Job{}, "names", "bytes", "mapped")
}

// attackMemory takes more memory than a job may have, likewise.
func (p *Pool) attackMemory(ctx context.Context) (string, error) {
	return p.attackWatched(ctx, MemoryLimit, Job{MemoryMB: wholeLimits.MemoryMB}, "hoard", "forgotten")
}

// attackWatched runs attacks that stay until the worker has found them.
func (p *Pool) attackWatched(ctx context.Context, found Code, j Job, attacks ...string) (string, error) {
	j.Timeout = lookPatience
	for _, attack := range attacks {
		o, err := p.attackOnce(ctx, attack, j)
		if err != nil {
			return "", err
		}
		if o.Failure == nil || o.Failure.Code != found {
			return attack + ": " + reached(o), nil
		}
	}
	return "", nil
}

// lookAtCgroup reads what the kernel says of the cgroup that a warm jail's Python is in.
func (p *Pool) lookAtCgroup(found map[string]string) error {
	at, err := cgroup.PlaceOf(strconv.Itoa(p.aServer()))
	if err != nil {
		return err
	}
	enforced := p.plan.enforced
	if enforced.Swap.By != "" {
		memory, err := at.File("memory", "memory.limit_in_bytes", "memory.max")
		if err != nil {
			return err
		}
		swap, err := at.File("memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
		if err != nil {
			found["jail's swap"] = err.Error()
		} else if swap != "0" && swap != memory { // version 1 bounds the two together
			found["jail's swap"] = fmt.Sprintf("%s, and %s of memory", swap, memory)
		}
	}
	if enforced.CPU.By != "" {
		quota, err := at.File("cpu", "cpu.cfs_quota_us", "cpu.max")
		if err != nil {
			found["jail's processor time"] = err.Error()
		} else if quota != strconv.Itoa(cgroup.CPUPeriod) && quota != fmt.Sprintf("%d %d", cgroup.CPUPeriod, cgroup.CPUPeriod) {
			found["jail's processor time"] = quota + " of every " + strconv.Itoa(cgroup.CPUPeriod)
		}
	}
	return nil
}

// attackOnce runs one attack of whole.py as a job.
func (p *Pool) attackOnce(ctx context.Context, name string, j Job) (Outcome, error) {
	script, err := attackFiles.ReadFile("attacks/whole.py")
	if err != nil {
		return Outcome{}, err
	}
	args, err := json.Marshal(map[string]any{"attack": name, "megabytes": wholeMegabytes, "threads": wholeThreads,
		"disk_mb": wholeLimits.DiskMB})
	if err != nil {
		return Outcome{}, err
	}
	j.Script, j.Args = string(script), args
	return p.Run(ctx, j)
}

// reached is what an attack of whole.py says, or how it ended.
func reached(o Outcome) string {
	if o.Failure != nil {
		return o.Failure.Message
	}
	var what string
	if err := json.Unmarshal(o.Result, &what); err != nil {
		return fmt.Sprintf("an answer that is not the attack's: %.200s", o.Result)
	}
	return what
}
