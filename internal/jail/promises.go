package jail

// wallsOf lists every wall, with the mechanism by which the plan's level promises it, or none.
func wallsOf(p *plan) []Wall {
	own := "Landlock"
	if p.chroot != "" {
		own = "chroot and Landlock"
	}
	const byFilter = "the job's seccomp filter"
	bySandbox := "nsjail's seccomp policy"
	if p.backend == Bubblewrap {
		bySandbox = "bubblewrap's seccomp filter"
	}
	threads, cgroup := "RLIMIT_NPROC", p.enforced
	if cgroup.Pids.By != "" {
		threads += ", " + cgroup.Pids.By
	}
	var walls []Wall
	for _, w := range []struct{ name, namespaces, process, tried string }{
		{"host files", "mount namespace", own, "read and write what everybody may, look for anything but Python"},
		{"metadata of files", "mount namespace", byFilter, "set mode and times of the worker's files and of devices"},
		{"locks of files", byFilter, byFilter, "lock a file that all jobs share, and ask whether it is locked"},
		{"news of files", byFilter, byFilter, "have the kernel report what others do in the root"},
		{"what others have read", byFilter, byFilter, "ask what of a shared file is in memory"},
		{"read-only root", "mount namespace", "", "look for a mount that can be written"},
		{"the kernel's /proc", "mount namespace", own, "look for a procfs or sysfs, and for what they would say of the host"},
		{"users of the host", "mount namespace", own, "look for their names"},
		{"size of the working directory", "tmpfs size", "the worker's look at it", "ask for its size and number of files, or put more into it"},
		{"size of a file", "RLIMIT_FSIZE", "RLIMIT_FSIZE", "make a file longer than the working directory"},
		{"predecessors", "mount namespace", "a directory of its own", "find what the last job wrote"},
		{"other processes, seen", "pid namespace", "", "look for any by its number, beneath the filter"},
		{"other processes, signalled", "pid namespace", "uid, Landlock", "signal beneath the filter: worker, its group, any number"},
		{"other processes, named", byFilter, byFilter, "limits, processors, group, clock of the worker and its parent"},
		{"nothing outlives its job", "pid namespace", "", "fork beneath the filter and answer"},
		{"network", "network namespace", "", "connect beneath the filter: TCP, abstract socket; find a route"},
		{"shared memory", "ipc namespace", "", "open a segment of the host's beneath the filter"},
		{"host name", "uts namespace", "", "read it"},
		{"another user", "user namespace, uid", "uid", "look for root among its ids"},
		{"ids of its own", "user namespace", "", "compare its table of ids with the worker's"},
		{"no capabilities", "capset", "capset", "look for one, held or to be had"},
		{"no new privileges", "no_new_privs", "no_new_privs", "ask for it beneath the filter"},
		{"system calls", byFilter, byFilter, "fifteen that Python does not need, exec among them"},
		{"outer filter", bySandbox, bySandbox, "keyctl beneath the job's own filter"},
		{"one process", byFilter, byFilter, "fork"},
		{"number of processes", "RLIMIT_NPROC", "RLIMIT_NPROC", "fork beneath the filter until it is refused"},
		{"number of threads", threads, threads, "start threads until it is refused"},
		{"what a user is charged for", "RLIMIT_SIGPENDING", "RLIMIT_SIGPENDING", "queue signals; a timer, a pipe's size, locked memory"},
		{"memory", "the worker's look at it", "the worker's look at it", "take more than the limit, and shared memory that it lets go of"},
		{"address space", "RLIMIT_AS", "RLIMIT_AS", "map more than the limit"},
		{"descriptors", "RLIMIT_NOFILE", "RLIMIT_NOFILE", "open more than the limit"},
		{"jail's memory", cgroup.Memory.By, cgroup.Memory.By, "take more than the cgroup's, while the worker does not look"},
		{"jail's swap", cgroup.Swap.By, cgroup.Swap.By, "look at the cgroup that its process is in"},
		{"jail's processes", cgroup.Pids.By, cgroup.Pids.By, "start threads until it is refused, with no rlimit before it"},
		{"jail's processor time", cgroup.CPU.By, cgroup.CPU.By, "look at the cgroup that its process is in"},
		{"CPU time", "RLIMIT_CPU", "RLIMIT_CPU", "look for no limit"},
		{"no core files", "RLIMIT_CORE", "RLIMIT_CORE", "look for a limit"},
		{"time", "the worker's clock, SIGKILL", "the worker's clock, SIGKILL", "ignore every signal and go on for ever"},
		{"worker's environment", "an environment of its own", "an environment of its own", "read it"},
		{"descriptors of others", "closed before the job is read", "closed before the job is read", "look for any but the job's own five pipes"},
	} {
		by := w.namespaces
		if p.level == Process {
			by = w.process
		}
		walls = append(walls, Wall{Name: w.name, PromisedBy: by, Tried: w.tried})
	}
	return walls
}
