package seccomp

import (
	"syscall"

	elastic "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// reply is what a filter does about a call: a program that ends with a verdict, for the process with this pid.
type reply struct {
	program func(self identity) []bpf.Instruction
}

// identity are the numbers by which a process names itself: its pid, and what the ids of its processor clocks have in common.
type identity struct{ pid, clock uint32 }

// identityOf follows the kernel, which makes a clock's id of a pid and three bits that say which of its clocks.
func identityOf(pid uint32) identity { return identity{pid: pid, clock: ^pid << clockBits} }

const clockBits = 3

// Where a filter finds what it decides by: offsets in struct seccomp_data, whose arguments are 64 bits wide, the lower half first.
const (
	callNumber    = 0
	callArch      = 4
	firstArgument = 16
	argumentSize  = 8
	upperHalf     = 4
)

func ret(a elastic.Action) bpf.Instruction { return bpf.RetConstant{Val: uint32(a)} }

func fail(e syscall.Errno) bpf.Instruction { return ret(elastic.ActionErrno | elastic.Action(e)) }

var (
	allow = ret(elastic.ActionAllow)
	// nothing is done, and success reported.
	nothing = fail(0)
)

func always(i bpf.Instruction) *reply {
	return &reply{func(identity) []bpf.Instruction { return []bpf.Instruction{i} }}
}

// The answers that look at no argument.
var (
	allowed   = always(allow)
	forbidden = always(fail(syscall.EPERM))
	ignored   = always(nothing)
	// absent is said where whoever asks knows another way on kernels that are older than the call.
	absent   = always(fail(syscall.ENOSYS))
	noSocket = always(fail(syscall.ENOTSOCK))
)

// argument loads the lower half of the n-th, counted from 0: all that the kernel looks at of an int.
func argument(n uint32) bpf.Instruction {
	return bpf.LoadAbsolute{Off: firstArgument + argumentSize*n, Size: 4}
}

func upperOf(n uint32) bpf.Instruction {
	return bpf.LoadAbsolute{Off: firstArgument + argumentSize*n + upperHalf, Size: 4}
}

// span is a range of values, both ends included.
type span struct{ first, last uint32 }

func only(values ...uint32) []span {
	spans := make([]span, len(values))
	for i, v := range values {
		spans[i] = span{v, v}
	}
	return spans
}

// among goes on at yes for what has been loaded when it lies in one of the spans, else at no; each is one instruction.
func among(spans []span, yes, no bpf.Instruction) []bpf.Instruction {
	var program []bpf.Instruction
	for _, s := range spans {
		if s.first == s.last {
			program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: s.first, SkipTrue: 1}, yes)
			continue
		}
		program = append(program, bpf.JumpIf{Cond: bpf.JumpLessThan, Val: s.first, SkipTrue: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: s.last, SkipTrue: 1}, yes)
	}
	return append(program, no)
}

func oneOf(n uint32, otherwise syscall.Errno, spans ...span) *reply {
	return &reply{func(identity) []bpf.Instruction {
		return append([]bpf.Instruction{argument(n)}, among(spans, allow, fail(otherwise))...)
	}}
}

// flags lets through what has no other bits than these.
func flags(n, bits uint32, otherwise syscall.Errno) *reply {
	return &reply{func(identity) []bpf.Instruction { return noneOf(n, ^bits, otherwise) }}
}

func noneOf(n, bits uint32, otherwise syscall.Errno) []bpf.Instruction {
	return []bpf.Instruction{argument(n), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: bits, SkipFalse: 1}, fail(otherwise), allow}
}

// Files.
var (
	// A table of descriptors of a thread's own would be one more that the limit on their number does not count.
	descriptorRange = flags(2, unix.CLOSE_RANGE_CLOEXEC, syscall.EINVAL)

	pipeFlags = flags(1, unix.O_CLOEXEC|unix.O_NONBLOCK, syscall.EINVAL)

	// Notification, leases, owners and signals of descriptors, and sizes of pipes are left out: the first two speak of files that all
	// jobs share, the last takes from what the kernel allows a user. Locks are granted and not made: no other process is there to
	// be kept out, and between a job's own threads they would not stand either. Those of others are asked for in vain, since nobody
	// can make any.
	descriptorCommand = &reply{func(identity) []bpf.Instruction {
		program := []bpf.Instruction{
			argument(1),
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.F_SETFL, SkipTrue: 4},
			argument(2), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.O_ASYNC, SkipFalse: 1}, fail(syscall.EPERM), allow,
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: unix.F_SETLK, SkipTrue: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: unix.F_SETLKW, SkipTrue: 1}, nothing,
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: unix.F_OFD_SETLK, SkipTrue: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: unix.F_OFD_SETLKW, SkipTrue: 1}, nothing,
		}
		return append(program, among(append([]span{{unix.F_DUPFD, unix.F_GETLK}},
			only(unix.F_OFD_GETLK, unix.F_DUPFD_CLOEXEC, unix.F_GETPIPE_SZ)...), allow, fail(syscall.EPERM))...)
	}}

	// What is asked of other devices, and of file systems (where a file's blocks lie on the host's disk), gets what a file says that knows
	// none of it. A clone of a file gets what a tmpfs says, by which pathlib goes another way.
	deviceRequest = &reply{func(identity) []bpf.Instruction {
		return append([]bpf.Instruction{
			argument(1), bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.FICLONE, SkipTrue: 1}, fail(syscall.EOPNOTSUPP),
		}, among(only(unix.TCGETS, tcgets2, unix.TIOCGWINSZ, fionread, fionbio, fionclex, fioclex), allow, fail(syscall.ENOTTY))...)
	}}
)

// Requests that have the same numbers on x86_64 and aarch64, and no names in x/sys.
const (
	fionread, fionbio, fionclex, fioclex = 0x541b, 0x5421, 0x5450, 0x5451
	tcgets2                              = 0x802c_542a
)

// Sockets.
var (
	// localPairs lets socketpair make local streams and sequenced packets. A half of a datagram pair can send to any address there is,
	// without connecting and out of a filter's sight; datagram and raw are the types with this bit.
	localPairs = &reply{func(identity) []bpf.Instruction {
		return []bpf.Instruction{
			upperOf(0), bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 5},
			argument(0), bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_UNIX, SkipTrue: 3},
			argument(1), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.SOCK_DGRAM, SkipTrue: 1},
			allow, fail(syscall.EPERM),
		}
	}}

	// Not out of band, whose bookkeeping in the kernel has had holes, and to nobody but the other end.
	sendFlags = &reply{func(identity) []bpf.Instruction {
		return []bpf.Instruction{
			argument(4), bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 5},
			upperOf(4), bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 3},
			argument(3), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: ^uint32(messageFlags), SkipTrue: 1},
			allow, fail(syscall.EOPNOTSUPP),
		}
	}}
	receiveFlags = flags(3, messageFlags, syscall.EOPNOTSUPP)

	socketOption = &reply{func(identity) []bpf.Instruction {
		return append([]bpf.Instruction{
			argument(1), bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SOL_SOCKET, SkipTrue: 1}, fail(syscall.ENOPROTOOPT), argument(2),
		}, among([]span{
			{unix.SO_TYPE, unix.SO_ERROR}, {unix.SO_SNDBUF, unix.SO_RCVBUF}, {unix.SO_RCVTIMEO, unix.SO_SNDTIMEO},
			{unix.SO_PROTOCOL, unix.SO_DOMAIN},
		}, allow, fail(syscall.ENOPROTOOPT))...)
	}}
)

const messageFlags = unix.MSG_PEEK | unix.MSG_TRUNC | unix.MSG_DONTWAIT | unix.MSG_EOR |
	unix.MSG_WAITALL | unix.MSG_NOSIGNAL | unix.MSG_MORE

// Memory.
var (
	mapFlags = &reply{func(identity) []bpf.Instruction { return noneOf(3, unix.MAP_HUGETLB, syscall.ENOMEM) }}

	// Without MERGEABLE, by which the kernel shares pages of the same content between jobs, and takes its time to write to one; PAGEOUT
	// and COLD, on pages of files that others use; COLLAPSE, which would make huge pages of those.
	advice = oneOf(2, syscall.EINVAL, span{unix.MADV_NORMAL, unix.MADV_DONTNEED}, span{unix.MADV_FREE, unix.MADV_FREE},
		span{unix.MADV_DONTFORK, unix.MADV_DOFORK}, span{unix.MADV_HUGEPAGE, unix.MADV_WIPEONFORK},
		span{unix.MADV_POPULATE_READ, unix.MADV_POPULATE_WRITE})

	// ARCH_GET_XCOMP_SUPP, ARCH_GET_XCOMP_PERM and ARCH_REQ_XCOMP_PERM.
	tiles = oneOf(0, syscall.EINVAL, span{0x1021, 0x1023})
)

// Threads.
var (
	// threadsOnly lets clone make what shares everything with its maker: memory, descriptors, the limit on whose number would count for
	// each thread otherwise, and pid. What the C libraries add is about the thread's own memory. The kernel looks at the lower half alone.
	threadsOnly = &reply{func(identity) []bpf.Instruction {
		return []bpf.Instruction{
			argument(0), bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ^uint32(threadExtras)},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: threadShares, SkipTrue: 1}, allow, fail(syscall.EPERM),
		}
	}}

	// WAIT and WAKE, with and without bits: the C library and C++ use no other. Those with priority inheritance and requeueing had
	// most of this call's holes. Which memory it is about, shared or not, no filter can see.
	futexOperation = &reply{func(identity) []bpf.Instruction {
		return append([]bpf.Instruction{
			argument(1), bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ^uint32(futexFlags)},
		}, among([]span{{futexWait, futexWake}, {futexWaitBitset, futexWakeBitset}}, allow, fail(syscall.ENOSYS))...)
	}}
)

const (
	threadShares = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD
	threadExtras = unix.CLONE_SYSVSEM | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID |
		unix.CLONE_CHILD_SETTID | unix.CLONE_DETACHED

	futexWait, futexWake, futexWaitBitset, futexWakeBitset = 0, 1, 9, 10
	futexFlags                                             = 128 | 256 // FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME
)

// Calls that name a process may name the job itself. Of others they say what the kernel says where there are none.
var (
	ownProcess = itself(0, syscall.ESRCH)
	// The C library asks for the processors of a thread along with its stack, and goes on without where it is told that there is no such call.
	ownAffinity = itself(0, syscall.ENOSYS)

	ownThreads = &reply{func(self identity) []bpf.Instruction {
		return append([]bpf.Instruction{argument(0)}, among(only(self.pid), allow, fail(syscall.ESRCH))...)
	}}
	ownPriority = &reply{func(self identity) []bpf.Instruction {
		return append([]bpf.Instruction{
			argument(0), bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PRIO_PROCESS, SkipTrue: 1}, fail(syscall.ESRCH), argument(1),
		}, among(only(0, self.pid), allow, fail(syscall.ESRCH))...)
	}}

	// A negative id is that of a process's clock. The clocks of process 0 are the caller's own.
	ownClock = &reply{func(self identity) []bpf.Instruction {
		return append([]bpf.Instruction{
			argument(0), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 1 << 31, SkipTrue: 1}, allow,
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ^uint32(1<<clockBits - 1)},
		}, among(only(identityOf(0).clock, self.clock), allow, fail(syscall.EINVAL))...)
	}}
)

func itself(n uint32, otherwise syscall.Errno) *reply {
	return &reply{func(self identity) []bpf.Instruction {
		return append([]bpf.Instruction{argument(n)}, among(only(0, self.pid), allow, fail(otherwise))...)
	}}
}
