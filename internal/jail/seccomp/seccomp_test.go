package seccomp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	elastic "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files of this package anew")

// The kernel's last call is below 480 today; what it adds later must be refused without anybody's doing.
const lastNumber = 600

const x32Bit = 0x4000_0000

// TestTable lists what the filters say to every system call number, in testdata/seccomp-*.txt.
func TestTable(t *testing.T) {
	for _, target := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		t.Run(target.Name, func(t *testing.T) {
			filters := filtersFor(t, target)
			var table strings.Builder
			fmt.Fprintf(&table, "# What a job's filters say to each system call of %s. Written by go test ./internal/jail/seccomp -update.\n",
				target.Name)
			for number := range lastNumber + 1 {
				name, known := target.SyscallNumbers[number]
				verdict := filters.verdict(t, target, number)
				if known {
					fmt.Fprintf(&table, "%3d %-26s %s\n", number, name, verdict)
				} else if verdict != "EPERM" {
					t.Errorf("number %d has no name here and gets %s", number, verdict)
				}
			}
			golden := filepath.Join("testdata", "seccomp-"+target.Name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(table.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			wanted, got := strings.Split(string(want), "\n"), strings.Split(table.String(), "\n")
			for i := range max(len(wanted), len(got)) {
				if w, g := lineAt(wanted, i), lineAt(got, i); w != g {
					t.Errorf("%s:%d\n  says %q\n  is   %q", golden, i+1, w, g)
				}
			}
		})
	}
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// TestRefuses names what must never be on the list, whatever the golden files say.
func TestRefuses(t *testing.T) {
	never := strings.Fields(`execve execveat fork vfork clone3 unshare setns mount umount2 pivot_root chroot open_tree move_mount fsopen
		fsmount fsconfig fspick mount_setattr ptrace process_vm_readv process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal kcmp
		socket connect bind listen accept accept4 io_uring_setup io_uring_enter io_uring_register bpf perf_event_open userfaultfd
		add_key request_key keyctl kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct
		quotactl setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset seccomp prctl personality
		mknod mknodat name_to_handle_at open_by_handle_at modify_ldt ioperm iopl sethostname setdomainname settimeofday clock_settime
		adjtimex clock_adjtime syslog shmget shmat shmctl semget msgget msgsnd mq_open fanotify_init setxattr
		sched_setscheduler sched_setattr setpriority ioprio_set mbind move_pages migrate_pages vhangup landlock_create_ruleset
		process_madvise memfd_create memfd_secret splice tee vmsplice sendmsg recvmsg sendmmsg recvmmsg
		inotify_init inotify_init1 inotify_add_watch
		timer_create timer_settime rt_sigqueueinfo rt_tgsigqueueinfo tkill signalfd signalfd4 mlock mlock2 mlockall mincore cachestat readahead
		preadv2 pwritev2 membarrier sync syncfs sync_file_range capget get_robust_list set_tid_address futex_waitv futex_requeue futex_wake
		sched_setparam sched_getattr sched_rr_get_interval io_pgetevents io_setup io_submit lookup_dcookie quotactl_fd`)
	for _, target := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		filters := filtersFor(t, target)
		for _, name := range never {
			number, known := target.SyscallNames[name]
			if !known {
				continue
			}
			if verdict := filters.verdict(t, target, number); verdict != "EPERM" && verdict != "ENOSYS" {
				t.Errorf("%s: %s gets %s", target.Name, name, verdict)
			}
		}
	}
}

// TestClone: threads and nothing else. Flags are also given values that are numbers of other calls, since the assembler
// leaves the argument where it then looks for the next call's number.
func TestClone(t *testing.T) {
	namespaces := []uint64{
		unix.CLONE_NEWNS, unix.CLONE_NEWCGROUP, unix.CLONE_NEWUTS, unix.CLONE_NEWIPC, unix.CLONE_NEWUSER, unix.CLONE_NEWPID, unix.CLONE_NEWNET,
	}
	const shares = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD
	const extras = unix.CLONE_SYSVSEM | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID
	const pthread, musl = shares | extras, shares | extras | unix.CLONE_DETACHED
	flags := []uint64{
		0, uint64(syscall.SIGCHLD), pthread, musl, shares, unix.CLONE_THREAD, pthread &^ unix.CLONE_FILES, pthread &^ unix.CLONE_VM,
		pthread | unix.CLONE_PIDFD, unix.CLONE_VM | unix.CLONE_VFORK | uint64(syscall.SIGCHLD), ^uint64(0),
		1 << 32, unix.CLONE_THREAD << 32, unix.CLONE_PARENT | uint64(syscall.SIGCHLD), unix.CLONE_PTRACE, unix.CLONE_UNTRACED,
	}
	for _, n := range namespaces {
		flags = append(flags, n, n|uint64(syscall.SIGCHLD), n|pthread, n<<32|pthread)
	}
	for number := range uint64(lastNumber + 1) {
		flags = append(flags, number, number<<32, number<<32|number, number|unix.CLONE_THREAD, number|shares, number<<32|pthread)
	}
	for _, target := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		filters := filtersFor(t, target)
		allowed := 0
		for _, f := range flags {
			// Of the flags the kernel looks at the lower half alone. Refusing more for the upper half is no harm.
			want := elastic.ActionErrno | elastic.Action(syscall.EPERM)
			if low := f & 0xffff_ffff; low&shares == shares && low&^(shares|extras|unix.CLONE_CHILD_SETTID|unix.CLONE_DETACHED) == 0 {
				want, allowed = elastic.ActionAllow, allowed+1
			}
			got := filters.run(t, call{number: target.SyscallNames["clone"], arch: uint32(target.ID), args: [6]uint64{f}})
			if got != want {
				t.Errorf("%s: clone(%#x) gets %#x, not %#x", target.Name, f, uint32(got), uint32(want))
			}
		}
		if allowed < 2 {
			t.Errorf("%s: no flags tried that a thread is made with", target.Name)
		}
	}
}

// TestSocketpair: local streams and sequenced packets alone.
func TestSocketpair(t *testing.T) {
	for _, target := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		filters := filtersFor(t, target)
		for family := range uint64(64) {
			for kind := range uint64(16) {
				for _, flags := range []uint64{0, unix.SOCK_CLOEXEC, unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC} {
					got := filters.run(t, call{number: target.SyscallNames["socketpair"], arch: uint32(target.ID), args: [6]uint64{family, kind | flags}})
					datagrams := kind == unix.SOCK_DGRAM || kind == unix.SOCK_RAW
					if family != unix.AF_UNIX && letsThrough(got) || datagrams && letsThrough(got) {
						t.Errorf("%s: socketpair(%d, %#x) is let through", target.Name, family, kind|flags)
					}
					if family == unix.AF_UNIX && (kind == unix.SOCK_STREAM || kind == unix.SOCK_SEQPACKET) && !letsThrough(got) {
						t.Errorf("%s: socketpair(%d, %#x) gets %#x", target.Name, family, kind|flags, uint32(got))
					}
				}
			}
		}
	}
}

// TestForeign: the same numbers mean other calls in another architecture's table, so none of those is let in.
func TestForeign(t *testing.T) {
	foreign := map[string]uint32{
		"i386": uint32(arch.I386.ID), "arm": uint32(arch.ARM.ID), "x86_64": uint32(arch.X86_64.ID), "aarch64": uint32(arch.AARCH64.ID), "none": 0,
	}
	for _, target := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		filters := filtersFor(t, target)
		for number := range lastNumber + 1 {
			for name, id := range foreign {
				if id == uint32(target.ID) {
					continue
				}
				for _, flags := range []uint64{0, unix.CLONE_THREAD} {
					if got := filters.run(t, call{number: number, arch: id, args: [6]uint64{flags}}); letsThrough(got) {
						t.Fatalf("%s: call %d of %s gets %#x", target.Name, number, name, uint32(got))
					}
				}
			}
			got := filters.run(t, call{number: number | x32Bit, arch: uint32(target.ID), args: [6]uint64{unix.CLONE_THREAD}})
			if letsThrough(got) {
				t.Fatalf("%s: x32 call %d gets %#x", target.Name, number, uint32(got))
			}
		}
	}
}

// TestNames: a name that is misspelt would be left out on both architectures, unnoticed.
func TestNames(t *testing.T) {
	// arm64 came late and never had the calls that a newer one had replaced by then. Its newfstatat is in the table as fstatat.
	legacy := strings.Fields(`open creat stat lstat access readlink mkdir rmdir unlink rename link symlink chmod chown lchown newfstatat
		dup2 pipe
		poll select epoll_wait pause alarm getpgrp time arch_prctl`)
	var missing, all []string
	for _, c := range jobCalls {
		for name := range strings.FieldsSeq(c.names) {
			all = append(all, name)
			if _, known := arch.X86_64.SyscallNames[name]; !known && name != "fstatat" {
				t.Errorf("x86_64 has no %s", name)
			}
			if _, known := arch.AARCH64.SyscallNames[name]; !known {
				missing = append(missing, name)
			}
		}
	}
	slices.Sort(legacy)
	slices.Sort(missing)
	if !slices.Equal(legacy, missing) {
		t.Errorf("aarch64 lacks %q; expected are %q", missing, legacy)
	}
	if once := slices.Compact(slices.Sorted(slices.Values(all))); len(once) != len(all) {
		t.Error("a name is listed twice")
	}
	for _, c := range slices.Concat(exposedFileCalls, sharedUIDCalls) {
		for name := range strings.FieldsSeq(c.names) {
			if !slices.Contains(all, name) {
				t.Errorf("%s is answered otherwise where files are exposed, and not at all elsewhere", name)
			}
		}
	}
}

// TestReasons: a call that nobody can say what for is one that a job does not have.
func TestReasons(t *testing.T) {
	said := map[string]string{}
	for _, c := range slices.Concat(jobCalls, exposedFileCalls, sharedUIDCalls) {
		if len(strings.Fields(c.why)) < 2 {
			t.Errorf("%s: %q is no reason", c.names, c.why)
		}
		if before, again := said[c.why]; again {
			t.Errorf("%s: the reason is that of %s", c.names, before)
		}
		said[c.why] = c.names
		if c.reply == forbidden {
			t.Errorf("%s: what is refused is not listed", c.names)
		}
	}
}

// TestOwnPID: wherever the runner is told to write its pid, a filter for that pid has it, and nowhere else.
func TestOwnPID(t *testing.T) {
	for _, target := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		for _, pid := range []uint32{1, 3, 4711, 4194303} {
			p, err := forJob(target, Exposure{Files: true, SharedUID: true})
			if err != nil {
				t.Fatal(err)
			}
			code, err := hex.DecodeString(p.Code)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range p.PIDAt {
				binary.NativeEndian.PutUint32(code[at:], pid)
			}
			for _, at := range p.ClockAt {
				binary.NativeEndian.PutUint32(code[at:], ^pid<<3)
			}
			want, err := encodeProgram(jobFilter(target, pid, callsFor(Exposure{Files: true, SharedUID: true})...))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(code, want) || len(p.PIDAt) == 0 || len(p.ClockAt) == 0 {
				t.Errorf("%s: written over, it is not the filter of process %d", target.Name, pid)
			}
		}
	}
}

// TestExposure: what jobs without a mount namespace, and those with the worker's uid, are answered otherwise, and that nothing else is.
func TestExposure(t *testing.T) {
	for _, target := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		full := filtersFor(t, target)
		for _, c := range []struct {
			Exposure
			quiet string
		}{
			{Exposure{}, ""}, {Exposure{SharedUID: true}, ""}, {Exposure{Files: true}, "utimensat"},
			{Exposure{Files: true, SharedUID: true}, "utimensat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat"},
		} {
			filters := programOf(t, jobFilter(target, usualPID, callsFor(c.Exposure)...))
			for number := range lastNumber + 1 {
				want := full.verdict(t, target, number)
				if slices.Contains(strings.Fields(c.quiet), target.SyscallNumbers[number]) {
					want = "success"
				}
				if got := filters.verdict(t, target, number); got != want {
					t.Errorf("%s, %+v: %d gets %s, not %s", target.Name, c.Exposure, number, got, want)
				}
			}
		}
	}
}

// TestOuter: what surrounds the whole jail refuses its list and nothing else.
func TestOuter(t *testing.T) {
	native, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	program, err := Outer()
	if err != nil {
		t.Fatal(err)
	}
	filters := filters{disassemble(t, program)}
	for number := range lastNumber + 1 {
		name := native.SyscallNumbers[number]
		got := filters.run(t, call{number: number, arch: uint32(native.ID)})
		if refused := slices.Contains(outerCalls, name); refused == letsThrough(got) {
			t.Errorf("%d %s gets %#x", number, name, uint32(got))
		}
	}
}

// filters run as the kernel runs them: all of them, and the strictest answer counts.
type filters []*bpf.VM

// filtersFor assembles the job's filter for an architecture and takes it from the bytes that the kernel is given.
func filtersFor(t *testing.T, target *arch.Info) filters {
	t.Helper()
	return programOf(t, jobFilter(target, usualPID, jobCalls...))
}

func programOf(t *testing.T, filter []bpf.Instruction) filters {
	t.Helper()
	program, err := encodeProgram(filter)
	if err != nil {
		t.Fatal(err)
	}
	return filters{disassemble(t, program)}
}

// TestSearch holds the search tree against the list that the library makes of the same names.
func TestSearch(t *testing.T) {
	for _, target := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		var names []string
		other := map[int]bool{} // those have tests of their own
		for _, c := range jobCalls {
			for name := range strings.FieldsSeq(c.names) {
				number, known := target.SyscallNames[name]
				if known && c.reply == allowed {
					names = append(names, name)
				}
				other[number] = known && c.reply != allowed || other[number]
			}
		}
		policy := elastic.Policy{DefaultAction: elastic.ActionErrno,
			Syscalls: []elastic.SyscallGroup{{Action: elastic.ActionAllow, Names: names}}}
		// The library has no public way to assemble for a machine other than this one.
		field := reflect.ValueOf(&policy).Elem().FieldByName("arch")
		reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.ValueOf(target))
		program, err := assemble(policy)
		if err != nil {
			t.Fatal(err)
		}
		list, tree := filters{disassemble(t, program)}, filtersFor(t, target)
		for number := range 1 << 16 {
			if other[number] {
				continue
			}
			c := call{number: number, arch: uint32(target.ID)}
			if got, want := tree.run(t, c), list.run(t, c); got != want {
				t.Errorf("%s: call %d gets %#x, from a list %#x", target.Name, number, uint32(got), uint32(want))
			}
		}
	}
}

func disassemble(t *testing.T, program []byte) *bpf.VM {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(program)/8)
	if err := binary.Read(bytes.NewReader(program), binary.NativeEndian, raw); err != nil {
		t.Fatal(err)
	}
	instructions, whole := bpf.Disassemble(raw)
	if !whole {
		t.Fatal("an instruction that cannot be read back")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// call is struct seccomp_data.
type call struct {
	number int
	arch   uint32
	args   [6]uint64
}

// bytes lays c out in words of this machine's order, each of them big-endian: that is how the VM reads a word, being made for
// network packets.
func (c call) bytes() []byte {
	words := []uint32{uint32(c.number), c.arch}
	for _, value := range append([]uint64{0}, c.args[:]...) { // the instruction pointer comes first
		halves := binary.NativeEndian.AppendUint64(nil, value)
		words = append(words, binary.NativeEndian.Uint32(halves), binary.NativeEndian.Uint32(halves[4:]))
	}
	var data []byte
	for _, w := range words {
		data = binary.BigEndian.AppendUint32(data, w)
	}
	return data
}

func (f filters) run(t *testing.T, c call) elastic.Action {
	t.Helper()
	strictest := elastic.ActionAllow
	for _, vm := range f {
		got, err := vm.Run(c.bytes())
		if err != nil {
			t.Fatal(err)
		}
		if !letsThrough(elastic.Action(uint32(got))) && letsThrough(strictest) {
			strictest = elastic.Action(uint32(got))
		}
	}
	return strictest
}

func letsThrough(a elastic.Action) bool { return a == elastic.ActionAllow }

// verdict says what a number gets, whatever its arguments.
func (f filters) verdict(t *testing.T, target *arch.Info, number int) string {
	t.Helper()
	said := map[string]bool{}
	for _, value := range []uint64{0, 1, ^uint64(0), uint64(syscall.SIGCHLD), unix.CLONE_THREAD, unix.CLONE_NEWUSER, 59, 56} {
		switch action := f.run(t, call{number: number, arch: uint32(target.ID),
			args: [6]uint64{value, value, value, value, value, value}}); action {
		case elastic.ActionAllow:
			said["allow"] = true
		case elastic.ActionErrno | elastic.Action(syscall.EPERM):
			said["EPERM"] = true
		case elastic.ActionErrno | elastic.Action(syscall.ENOSYS):
			said["ENOSYS"] = true
		case elastic.ActionErrno | elastic.Action(syscall.ENOTSOCK):
			said["ENOTSOCK"] = true
		case elastic.ActionErrno:
			said["success"] = true
		default:
			said[fmt.Sprintf("%#x", uint32(action))] = true
		}
	}
	if len(said) > 1 {
		return "depends on its arguments"
	}
	for one := range said {
		return one
	}
	return ""
}

func TestKafel(t *testing.T) {
	if got := kafel([]string{"ptrace", "bpf"}); got != "ERRNO(1) { ptrace, bpf } DEFAULT ALLOW" {
		t.Error(got)
	}
}
