package jail

import (
	"bytes"
	"encoding/binary"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A job may make these system calls and no other: what Python, numpy and pandas use with no network, no other process and no
// privilege. Names that an architecture does not have are left out there; newfstatat and fstatat are one call under two names.
var allowedCalls = []string{
	// files, below a read-only root and in the working directory
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek",
	"open", "openat", "openat2", "creat", "close", "close_range", "stat", "fstat", "lstat", "newfstatat", "fstatat", "statx", "statfs", "fstatfs",
	"access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "chdir", "fchdir",
	"mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
	"chmod", "fchmod", "fchmodat", "umask", "utimensat", "utime", "utimes", "futimesat", "truncate", "ftruncate", "fallocate", "fsync", "fdatasync", "fadvise64",
	"copy_file_range", "sendfile", "splice", "tee", "flock", "fcntl", "ioctl", "dup", "dup2", "dup3", "pipe", "pipe2",
	"getxattr", "lgetxattr", "fgetxattr", "listxattr", "flistxattr",
	"llistxattr", // copytree asks it of links
	// to oneself, which is all that a process without capabilities can: archives and copies are unpacked so
	"chown", "fchown", "lchown", "fchownat", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
	// waiting
	"poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2",
	"timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd4", "nanosleep", "clock_nanosleep", "pause",
	// asyncio wakes its loop through a socket pair; there is no other socket, and which pairs is decided below
	"socketpair", "sendto", "recvfrom", "sendmsg", "recvmsg", "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername",
	// memory; not memfd_create, whose files are memory that no rlimit counts
	"brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "msync", "mincore", "mlock", "munlock", "membarrier",
	// threads
	"futex", "set_robust_list", "get_robust_list", "set_tid_address", "rseq", "gettid", "sched_yield", "sched_getaffinity", "sched_setaffinity",
	"sched_getparam", "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getcpu", "arch_prctl", "exit", "exit_group", "restart_syscall",
	// signals: to itself at most, since its pid namespace or its uid holds nobody else
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "rt_sigqueueinfo", "sigaltstack",
	"kill", "tkill", "tgkill", "alarm", "getitimer", "setitimer", "timer_create", "timer_settime", "timer_gettime", "timer_delete", "timer_getoverrun",
	// who and when
	"getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getpgrp", "getpgid", "getsid",
	"capget", "uname", "sysinfo", "times", "getrusage", "getrlimit", "prlimit64", "setrlimit", "getpriority", "getrandom",
	"gettimeofday", "time", "clock_gettime", "clock_getres", "wait4", "waitid",
}

// newThread is the flag that tells a thread from a process; newNamespaces are the flags that ask for namespaces.
const (
	newThread     = unix.CLONE_THREAD
	newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
)

func assemble(policy seccomp.Policy) ([]byte, error) {
	instructions, err := policy.Assemble()
	if err != nil {
		return nil, err
	}
	return encodeProgram(instructions)
}

// encodeProgram writes instructions as the kernel reads them, eight bytes each.
func encodeProgram(instructions []bpf.Instruction) ([]byte, error) {
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return nil, err
	}
	var program bytes.Buffer
	for _, i := range raw {
		if err := binary.Write(&program, binary.NativeEndian, i); err != nil {
			return nil, err
		}
	}
	return program.Bytes(), nil
}
