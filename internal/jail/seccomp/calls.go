package seccomp

// rule says how a job's filter answers some system calls, by their names with spaces between, and why it answers them so.
type rule struct {
	names string
	reply *reply
	why   string
}

// A job may make these system calls and no other: what Python, numpy and pandas use with no network, no other process and no
// privilege. What is not named here is refused with EPERM. Names that an architecture does not have are left out there; newfstatat
// and fstatat are one call under two names. A call comes in by a line of its own here, and its reason; answers.go has the
// answers that look at arguments.
var jobCalls = []rule{
	// Files, below a read-only root and in the working directory.
	{"read write readv writev pread64 pwrite64 lseek", allowed, "open files and pipes"},
	{"preadv pwritev", allowed, "os.preadv and os.pwritev; the C library's form with flags falls back to them"},
	{"preadv2 pwritev2", absent, "RWF_NOWAIT tells what others have read lately of a file that all jobs share"},
	{"open openat creat close", allowed, "open(), by all of its names"},
	{"openat2", absent, "its flags lie in memory; the C library does without"},
	{"close_range", descriptorRange, "os.closerange; not into a table of descriptors of a thread's own"},
	{"stat fstat lstat newfstatat fstatat statx statfs fstatfs access faccessat faccessat2", allowed,
		"os.stat, os.path, os.statvfs, shutil.disk_usage"},
	{"readlink readlinkat getdents64 getcwd chdir fchdir", allowed, "os.path.realpath, os.listdir, os.chdir"},
	{"mkdir mkdirat rmdir unlink unlinkat rename renameat link linkat symlink symlinkat", allowed, "the working directory's names"},
	{"renameat2", absent, "it exchanges two names, for which Python has no function; the C library falls back to renameat"},
	{"chmod fchmod fchmodat fchmodat2 umask utimensat", allowed, "shutil.copy, tarfile, zipfile: the root is read-only; see exposedFileCalls"},
	{"chown fchown lchown fchownat", allowed, "tarfile, shutil: to oneself, which is all that a process without capabilities can"},
	{"truncate ftruncate fallocate", allowed, "file.truncate, os.posix_fallocate, sqlite3, memory maps of new files"},
	{"fsync fdatasync msync", ignored, "files end with their job; on a file that is not the job's it has the host write out its journal"},
	{"fadvise64", ignored, "advice; DONTNEED on a shared file tells others what has been read of it, and slows them down"},
	{"copy_file_range", allowed, "os.copy_file_range, pathlib's copies: from file to file, never through a pipe"},
	{"sendfile", noSocket, "into a pipe it is splice; shutil and pathlib go back to reading and writing"},
	{"flock", ignored, "sqlite3, dbm, HDF5 lock their files, of which a job is the only user; a lock on a shared file speaks to other jobs"},
	{"fcntl", descriptorCommand, "descriptors and their flags; its locks are answered as flock"},
	{"ioctl", deviceRequest, "isatty at each open(), os.set_blocking, os.set_inheritable, shutil.get_terminal_size"},
	{"dup dup2 dup3 pipe", allowed, "os.dup, os.pipe; bounded by the number of descriptors"},
	{"pipe2", pipeFlags, "os.pipe; not with O_NOTIFICATION_PIPE, through which the kernel reports"},
	{"getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr", allowed,
		"shutil.copystat, os.getxattr; there is nothing to write them with"},

	// Waiting.
	{"poll ppoll select pselect6", allowed, "select, and time limits of reads"},
	{"epoll_create1 epoll_ctl epoll_wait epoll_pwait", allowed, "asyncio and selectors; what is watched is bounded by descriptors, twice"},
	{"epoll_pwait2", absent, "the C library falls back to epoll_pwait"},
	{"eventfd2", allowed, "os.eventfd; uvloop wakes its loop so"},
	{"timerfd_create timerfd_settime timerfd_gettime", allowed, "os.timerfd_create of Python 3.13; bounded by the number of descriptors"},
	{"nanosleep pause", allowed, "time.sleep, signal.pause"},
	{"clock_nanosleep", ownClock, "time.sleep of the C library"},

	// asyncio wakes its loop through a socket pair. There is no other socket.
	{"socketpair", localPairs, "asyncio, socket.socketpair, multiprocessing.Pipe"},
	{"sendto", sendFlags, "socket.send, to the other end of a pair and not out of band"},
	{"recvfrom", receiveFlags, "socket.recv, likewise"},
	{"shutdown getsockname getpeername", allowed, "of a pair's ends: socket.shutdown, and asyncio asks for their names"},
	{"getsockopt setsockopt", socketOption, "sizes, times and kind of a pair's ends; not filters, credentials or pidfds"},

	// Memory; not memfd_create, whose files are memory that no rlimit counts.
	{"brk munmap mprotect mremap", allowed, "malloc, mmap, ctypes"},
	{"mmap", mapFlags, "malloc, mmap, libraries; not from the host's reserve of huge pages, which is everybody's"},
	{"madvise", advice, "malloc, numpy and arrow give memory back and ask for huge pages; the rest is about pages that others share"},
	{"membarrier", absent, "its global forms interrupt every processor of the host; who asks for it does without"},

	// Threads.
	{"clone", threadsOnly, "threads; neither processes nor namespaces"},
	{"clone3", absent, "its flags lie in memory, where no filter can look; the C library then uses clone"},
	{"futex", futexOperation, "locks of threads"},
	{"set_robust_list rseq", allowed, "the C library announces both for each new thread"},
	{"gettid sched_yield getcpu", allowed, "threading.get_native_id, locks that spin, allocators with a heap for each processor"},
	{"sched_getaffinity", ownAffinity, "os.sched_getaffinity, os.process_cpu_count"},
	{"sched_setaffinity sched_getparam sched_getscheduler", ownProcess, "os.sched_setaffinity and its kin, of the job itself"},
	{"sched_get_priority_max sched_get_priority_min", allowed, "two constants"},
	{"arch_prctl", tiles, "oneDNN and OpenBLAS ask for the use of the processor's matrix registers"},
	{"exit exit_group restart_syscall", allowed, "the end; the kernel itself has an interrupted call go on by the last"},

	// Signals, to itself.
	{"rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait sigaltstack", allowed, "signal, faulthandler, threads"},
	{"kill", ownProcess, "os.kill(os.getpid(), ...), and its own group"},
	{"tgkill", ownThreads, "abort, signal.raise_signal, signal.pthread_kill"},
	{"alarm getitimer setitimer", allowed, "signal.alarm, signal.setitimer: one timer for each process, which no user is charged for"},

	// Who and when.
	{"getpid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp", allowed, "os, tempfile, uuid"},
	{"getpgid getsid prlimit64", ownProcess, "os.getpgid, os.getsid, resource, of the job itself"},
	{"getpriority", ownPriority, "os.getpriority, of the job itself"},
	{"uname sysinfo times getrusage", allowed, "platform, os.sysconf, qsort of older C libraries, os.times, resource.getrusage"},
	{"getrandom gettimeofday time", allowed, "random, uuid, time where the kernel's page cannot tell it"},
	{"clock_gettime clock_getres", ownClock, "time, and the times of the job's own process"},
	{"wait4 waitid", allowed, "os.waitpid: there are no children, and it says so"},
}

// exposedFileCalls are answered otherwise where a job can name files that are not its own, and Landlock holds what they contain, not what
// is said of them.
var exposedFileCalls = []rule{
	{"utimensat", ignored, "on any file that everybody may write to, devices among them; shutil.copy2 and tarfile go on without"},
}

// sharedUIDCalls come on top where jobs have the worker's uid, and own all that it owns.
var sharedUIDCalls = []rule{
	{"chmod fchmod fchmodat fchmodat2", ignored, "on any file of the worker's user; shutil.copy and tarfile go on without"},
	{"chown fchown lchown fchownat", ignored, "likewise: to the owner that it has it still changes a file's time"},
}
