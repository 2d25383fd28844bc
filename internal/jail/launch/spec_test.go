package launch

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var testRoot = Root{
	Python: "/usr/bin/python3.11", Binds: []string{"/dev/null", "/usr/bin/python3.11", "/usr/lib/python3"},
	Links: []Link{{Path: "/lib", Target: "usr/lib"}, {Path: "/usr/share/x/y", Target: "/z"}},
}

func testSpec(program string) Spec {
	return Spec{Program: program, Level: Namespaces, Root: testRoot, IDs: IDs{Split: true, Server: 5000, Job: 5001}, Script: "boot()",
		OpenFiles: 300}
}

// has reports whether args hold the words in a row.
func has(args []string, words ...string) bool {
	for i := range args {
		if len(args)-i >= len(words) && slices.Equal(args[i:i+len(words)], words) {
			return true
		}
	}
	return false
}

func TestNsjailArgs(t *testing.T) {
	s := testSpec("/bin/nsjail")
	args := nsjailArgs(s)
	if args[0] != "/bin/nsjail" || !slices.Equal(args[len(args)-7:], []string{"--", "/usr/bin/python3.11", "-I", "-B", "-S", "-c", "boot()"}) {
		t.Errorf("from %q to %q", args[0], args[len(args)-6:])
	}
	for _, words := range [][]string{
		{"-Mo"}, {"--time_limit", "0"}, {"--rlimit_as", "max"}, {"--rlimit_nofile", "300"}, {"--pass_fd", "3"}, {"--disable_proc"},
		{"--iface_no_lo"}, {"--keep_caps"},
		{"--user", "0:5000:1"}, {"--group", "0:5000:1"}, {"--user", "1000:5001:1"}, {"--group", "1000:5001:1"}, {"--tmpfsmount", "/tmp"},
		{"--cwd", "/tmp"},
		{"--bindmount_ro", "/dev/null"}, {"--bindmount_ro", "/usr/lib/python3"}, {"--symlink", "usr/lib:/lib"},
		{"--symlink", "/z:/usr/share/x/y"},
		{"--env", "PATH=/usr/bin"}, {"--env", "OPENBLAS_NUM_THREADS=1"},
	} {
		if !has(args, words...) {
			t.Errorf("no %q in %q", words, args)
		}
	}
	for _, word := range []string{"--bindmount", "-R", "--chroot", "--disable_clone_newns", "--disable_clone_newnet",
		"--disable_clone_newpid", "--disable_clone_newuser"} {
		if slices.Contains(args, word) {
			t.Errorf("%s at level namespaces", word)
		}
	}
	s.IDs = IDs{Server: 777, Job: 777}
	if args := nsjailArgs(s); !has(args, "--user", "1000:777:1") || strings.Contains(strings.Join(args, " "), "--user 0:") {
		t.Errorf("without privilege one id can be mapped: %q", args)
	}
}

func TestNsjailArgsOfProcess(t *testing.T) {
	s := testSpec("nsjail")
	s.Level, s.Directory, s.Chroot = Process, "/tmp/job-1", "/srv/root"
	args := nsjailArgs(s)
	for _, words := range [][]string{
		{"--user", "5001"}, {"--group", "5001"}, {"--cwd", "/tmp/job-1"}, {"--chroot", "/srv/root"}, {"--env", "HOME=/tmp/job-1"},
		{"--env", "TMPDIR=/tmp/job-1"},
		{"--disable_clone_newuser"}, {"--disable_clone_newns"}, {"--disable_clone_newpid"}, {"--disable_clone_newnet"},
		{"--disable_clone_newipc"}, {"--disable_clone_newuts"}, {"--disable_clone_newcgroup"},
	} {
		if !has(args, words...) {
			t.Errorf("no %q in %q", words, args)
		}
	}
	for _, word := range []string{"--keep_caps", "--tmpfsmount", "--bindmount_ro", "HOME=/tmp"} {
		if slices.Contains(args, word) {
			t.Errorf("%s at level process", word)
		}
	}
	s.Chroot = ""
	if slices.Contains(nsjailArgs(s), "--chroot") {
		t.Error("a chroot to nowhere")
	}
	if slices.Contains(environment, "HOME=/tmp/job-1") {
		t.Error("one jail's environment has become everybody's")
	}
}

func TestBubblewrapArgs(t *testing.T) {
	s := testSpec("/bin/bwrap")
	args := bubblewrapArgs(s)
	if args[0] != "/bin/bwrap" || !slices.Equal(args[len(args)-7:], []string{"--", "/usr/bin/python3.11", "-I", "-B", "-S", "-c", "boot()"}) {
		t.Errorf("from %q to %q", args[0], args[len(args)-6:])
	}
	for _, words := range [][]string{
		{"--unshare-pid"}, {"--unshare-net"}, {"--unshare-ipc"}, {"--unshare-uts"}, {"--clearenv"}, {"--seccomp", "4"}, {"--as-pid-1"},
		{"--ro-bind", "/usr/lib/python3", "/usr/lib/python3"}, {"--dev-bind", "/dev/null", "/dev/null"}, {"--symlink", "usr/lib", "/lib"},
		{"--perms", "0755", "--dir", "/usr/share/x"}, {"--setenv", "LANG", "C.UTF-8"},
		{"--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/tmp"},
	} {
		if !has(args, words...) {
			t.Errorf("no %q in %q", words, args)
		}
	}
	for _, word := range []string{"--bind", "--proc", "--share-net", "--dev", "--unshare-user"} {
		if slices.Contains(args, word) {
			t.Errorf("%s is there", word)
		}
	}
	if slices.Index(args, "--remount-ro") < slices.Index(args, "--ro-bind") {
		t.Error("the root is read-only before it is built")
	}
	s.IDs = IDs{Server: 777, Job: 777}
	if args := bubblewrapArgs(s); !has(args, "--unshare-user", "--uid", "1000", "--gid", "1000") {
		t.Errorf("without privilege: %q", args)
	}
}

func TestSysProcAttr(t *testing.T) {
	s := testSpec("")
	s.Backend = Nsjail
	if attr := s.SysProcAttr(); attr.Cloneflags&unix.CLONE_NEWUSER != 0 || !attr.Setpgid {
		t.Errorf("nsjail: %+v", attr)
	}
	for _, backend := range []Backend{Nsjail, Bubblewrap} {
		s.Backend = backend
		if attr := s.SysProcAttr(); attr.Pdeathsig != syscall.SIGKILL {
			t.Errorf("%s outlives its worker: %+v", backend, attr)
		}
	}
	attr := s.SysProcAttr()
	want := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 5000, Size: 1}, {ContainerID: 1000, HostID: 5001, Size: 1}}
	if attr.Cloneflags&unix.CLONE_NEWUSER == 0 || !slices.Equal(attr.UidMappings, want) || !slices.Equal(attr.GidMappings, want) {
		t.Errorf("bubblewrap: %+v", attr)
	}
	s.IDs.Split = false
	if attr := s.SysProcAttr(); attr.Cloneflags&unix.CLONE_NEWUSER != 0 {
		t.Errorf("bubblewrap without privilege makes its own namespace: %+v", attr)
	}
}

func TestNewIDs(t *testing.T) {
	if os.Geteuid() != 0 {
		if i := NewIDs(1); i.Split || i.Job != os.Geteuid() {
			t.Errorf("%+v", i)
		}
		return
	}
	span := spanOfIDs()
	t.Logf("%d identities from %d", span.count, span.first)
	seen := map[int]bool{}
	for n := range min(span.count/2, 20_000) {
		i := NewIDs(n)
		if !i.Split || i.Server == i.Job || seen[i.Server] || seen[i.Job] {
			t.Fatalf("jail %d: %+v", n, i)
		}
		if min(i.Server, i.Job) < span.first || max(i.Server, i.Job) >= span.first+span.count {
			t.Fatalf("jail %d: %+v is not of %+v", n, i, span)
		}
		seen[i.Server], seen[i.Job] = true, true
	}
}
