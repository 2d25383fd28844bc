package seccomp

import (
	"syscall"
	"testing"

	elastic "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// TestArguments calls what is answered by its arguments. high is added to each of the arguments' upper halves, where the kernel does
// not look: there is to be no way round by them.
func TestArguments(t *testing.T) {
	const done = syscall.Errno(0)
	own, ownClocks := uint64(usualPID), uint64(identityOf(usualPID).clock)
	others := []uint64{1, 3, 4711, 0xffff_ffff, 0xffff_fffe}
	clocksOf := func(pid uint32) []uint64 {
		var ids []uint64
		for which := range uint64(8) {
			ids = append(ids, uint64(^pid<<3)|which)
		}
		return ids
	}
	each := func(n int, values ...uint64) (calls [][]uint64) {
		for _, v := range values {
			arguments := make([]uint64, n+1)
			arguments[n] = v
			calls = append(calls, arguments)
		}
		return calls
	}
	for _, c := range []struct {
		name  string
		calls [][]uint64
		// fails is with what; passes is true where the kernel gets it.
		fails  syscall.Errno
		passes bool
	}{
		{"fcntl", each(1, 0, 1, 2, 3, 4, 5, 36, 1030, 1032), done, true},
		{"fcntl", each(1, 6, 7, 37, 38), done, false},
		// F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG, F_SETOWN_EX, leases, F_NOTIFY, F_SETPIPE_SZ, seals, hints of writing.
		{"fcntl", each(1, 8, 9, 10, 11, 15, 16, 1024, 1025, 1026, 1031, 1033, 1034, 1035, 1036, 1037, 1038, 39, 0xffff_ffff), syscall.EPERM,
			false},
		{"fcntl", [][]uint64{{0, unix.F_SETFL, unix.O_ASYNC}, {0, unix.F_SETFL, unix.O_ASYNC | unix.O_NONBLOCK}}, syscall.EPERM, false},
		{"fcntl", [][]uint64{{0, unix.F_SETFL, unix.O_NONBLOCK}, {0, unix.F_DUPFD, unix.O_ASYNC}}, done, true},
		{"ioctl", each(1, 0x5401, 0x802c542a, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451), done, true},
		{"ioctl", each(1, 0x40049409), syscall.EOPNOTSUPP, false},
		// TIOCSTI, FIEMAP, FIBMAP, FS_IOC_GETFLAGS, FITRIM, SIOCGIFCONF, FIOASYNC, watch queues.
		{"ioctl", each(1, 0x5412, 0xc020660b, 1, 0x80086601, 0xc0185879, 0x8912, 0x5452, 0x5760, 0), syscall.ENOTTY, false},
		{"pipe2", each(1, 0, unix.O_CLOEXEC, unix.O_NONBLOCK|unix.O_CLOEXEC), done, true},
		{"pipe2", each(1, unix.O_EXCL, unix.O_DIRECT, 1<<31), syscall.EINVAL, false},
		{"close_range", each(2, 0, unix.CLOSE_RANGE_CLOEXEC), done, true},
		{"close_range", each(2, unix.CLOSE_RANGE_UNSHARE, unix.CLOSE_RANGE_UNSHARE|unix.CLOSE_RANGE_CLOEXEC), syscall.EINVAL, false},
		{"sendto", each(3, 0, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, unix.MSG_MORE), done, true},
		{"sendto", each(3, unix.MSG_OOB, unix.MSG_ZEROCOPY, unix.MSG_FASTOPEN, unix.MSG_OOB|unix.MSG_NOSIGNAL, 1<<31), syscall.EOPNOTSUPP, false},
		{"sendto", [][]uint64{{0, 0, 0, 0, 1}, {0, 0, 0, 0, 1 << 32}, {0, 0, 0, 0, 0x7fff_0000_0000}}, syscall.EOPNOTSUPP, false},
		{"recvfrom", each(3, 0, unix.MSG_PEEK|unix.MSG_DONTWAIT, unix.MSG_WAITALL, unix.MSG_TRUNC), done, true},
		{"recvfrom", each(3, unix.MSG_OOB, unix.MSG_ERRQUEUE, unix.MSG_OOB|unix.MSG_PEEK), syscall.EOPNOTSUPP, false},
		{"setsockopt", [][]uint64{{0, 1, unix.SO_SNDBUF}, {0, 1, unix.SO_RCVBUF}, {0, 1, 20}, {0, 1, 21}}, done, true},
		{"setsockopt", [][]uint64{
			{0, 1, unix.SO_ATTACH_FILTER}, {0, 1, unix.SO_ATTACH_BPF}, {0, 1, unix.SO_PASSCRED}, {0, 1, unix.SO_PEEK_OFF},
			{0, 1, unix.SO_SNDBUFFORCE},
			{0, 1, unix.SO_BUSY_POLL}, {0, 0, unix.SO_SNDBUF}, {0, 6, 1}, {0, 41, 7}, {0, 1, unix.SO_TIMESTAMPING}, {0, 1, 0},
		}, syscall.ENOPROTOOPT, false},
		{"getsockopt", [][]uint64{{0, 1, unix.SO_TYPE}, {0, 1, unix.SO_ERROR}, {0, 1, unix.SO_DOMAIN}, {0, 1, unix.SO_PROTOCOL}}, done, true},
		{"getsockopt", [][]uint64{{0, 1, unix.SO_PEERPIDFD}, {0, 1, unix.SO_PEERCRED}, {0, 1, unix.SO_PEERSEC}, {0, 1, unix.SO_GET_FILTER}},
			syscall.ENOPROTOOPT, false},
		{"mmap", each(3, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, unix.MAP_SHARED, unix.MAP_STACK|unix.MAP_NORESERVE|unix.MAP_PRIVATE), done, true},
		{"mmap", each(3, unix.MAP_HUGETLB, unix.MAP_HUGETLB|unix.MAP_PRIVATE|unix.MAP_ANONYMOUS), syscall.ENOMEM, false},
		{"madvise", each(2, 0, 1, 2, 3, 4, 8, 10, 11, 14, 15, 16, 17, 18, 22, 23), done, true},
		{"madvise", each(2, 9, 12, 13, 20, 21, 25, 100, 101, 5, 7), syscall.EINVAL, false},
		{"futex", each(1, 0, 1, 128, 129, 9, 10, 137, 138, 137|256, 9|256), done, true},
		{"futex", each(1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 128|6, 128|4, 128|11, 128|12, 1<<31, 1<<16), syscall.ENOSYS, false},
		{"prlimit64", each(0, 0, own), done, true},
		{"prlimit64", each(0, others...), syscall.ESRCH, false},
		{"sched_setaffinity", each(0, 0, own), done, true},
		{"sched_setaffinity", each(0, others...), syscall.ESRCH, false},
		{"sched_getaffinity", each(0, 0, own), done, true},
		{"sched_getaffinity", each(0, others...), syscall.ENOSYS, false},
		{"sched_getscheduler", each(0, others...), syscall.ESRCH, false},
		{"sched_getparam", each(0, others...), syscall.ESRCH, false},
		{"getpgid", each(0, 0, own), done, true},
		{"getpgid", each(0, others...), syscall.ESRCH, false},
		{"getsid", each(0, others...), syscall.ESRCH, false},
		{"kill", each(0, 0, own), done, true},
		{"kill", each(0, others...), syscall.ESRCH, false},
		{"tgkill", each(0, own), done, true},
		{"tgkill", each(0, append(others, 0)...), syscall.ESRCH, false},
		{"getpriority", [][]uint64{{0, 0}, {0, own}}, done, true},
		{"getpriority", [][]uint64{{0, 1}, {1, 0}, {2, 0}, {2, own}, {1, own}}, syscall.ESRCH, false},
		{"clock_gettime", each(0, 0, 1, 2, 3, 7, 11, 0xffff_fffe, 0xffff_fffa, ownClocks|2, ownClocks|6), done, true},
		{"clock_gettime", append(each(0, clocksOf(1)...), each(0, clocksOf(3)...)...), syscall.EINVAL, false},
		{"clock_getres", each(0, clocksOf(4711)...), syscall.EINVAL, false},
		{"clock_nanosleep", each(0, clocksOf(1)...), syscall.EINVAL, false},
		{"clock_nanosleep", each(0, 0, 1), done, true},
		{"arch_prctl", each(0, 0x1021, 0x1022, 0x1023), done, true},
		{"arch_prctl", each(0, 0x1001, 0x1002, 0x1011, 0x1024, 0x1025, 0x2001, 0x5001), syscall.EINVAL, false},
	} {
		for _, target := range []*arch.Info{arch.X86_64, arch.AARCH64} {
			number, known := target.SyscallNames[c.name]
			if !known {
				continue
			}
			filters := filtersFor(t, target)
			want := elastic.ActionAllow
			if !c.passes {
				want = elastic.ActionErrno | elastic.Action(c.fails)
			}
			for _, arguments := range c.calls {
				for _, high := range []uint64{0, 1 << 32, 0xffff_ffff << 32} {
					made := call{number: number, arch: uint32(target.ID)}
					for i, a := range arguments {
						if made.args[i] = a | high; c.name == "sendto" && i == 4 {
							made.args[i] = a // an address, and as wide as one
						}
					}
					if got := filters.run(t, made); got != want {
						t.Errorf("%s: %s%#x gets %#x, not %#x", target.Name, c.name, made.args, uint32(got), uint32(want))
					}
				}
			}
		}
	}
}
