package seccomp

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	elastic "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
)

// outerCalls are the system calls that nothing in a jail makes, server included: the second layer, outside the job's own filter.
var outerCalls = []string{
	"ptrace", "process_vm_readv", "process_vm_writev", "kexec_load", "init_module", "finit_module", "delete_module", "reboot",
	"swapon", "swapoff", "acct", "quotactl", "add_key", "request_key", "keyctl", "bpf", "perf_event_open", "userfaultfd",
	"open_by_handle_at", "settimeofday", "clock_settime", "clock_adjtime", "syslog", "lookup_dcookie", "mbind", "move_pages", "vhangup",
	"io_uring_enter", // the server has a ring to pin memory with (linux.py), which never works
}

// Outer is the outer filter as a program for the kernel, which bubblewrap installs.
func Outer() ([]byte, error) {
	native, err := arch.GetInfo("")
	if err != nil {
		return nil, fmt.Errorf("seccomp: %w", err)
	}
	known := slices.DeleteFunc(slices.Clone(outerCalls), func(name string) bool {
		_, ok := native.SyscallNames[name]
		return !ok
	})
	return assemble(elastic.Policy{
		DefaultAction: elastic.ActionAllow,
		Syscalls:      []elastic.SyscallGroup{{Action: elastic.ActionErrno, Names: known}},
	})
}

// OuterPolicy is the outer filter in kafel, nsjail's policy language.
func OuterPolicy() string { return kafel(outerCalls) }

func kafel(denied []string) string {
	return fmt.Sprintf("ERRNO(%d) { %s } DEFAULT ALLOW", int(syscall.EPERM), strings.Join(denied, ", "))
}
