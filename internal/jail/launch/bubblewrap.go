package launch

import (
	"strconv"
	"strings"
)

// bubblewrapArgs is the command line of bubblewrap for s, which it runs in a user namespace that SysProcAttr asks for.
func bubblewrapArgs(s Spec) []string {
	args := []string{
		s.Program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", HostName,
		"--as-pid-1", "--die-with-parent", "--cap-add", "ALL", "--seccomp", strconv.Itoa(FilterFD), "--clearenv",
	}
	if !s.IDs.Split {
		id := strconv.Itoa(JobUID)
		args = append(args, "--unshare-user", "--uid", id, "--gid", id)
	}
	for _, e := range s.environment() {
		name, value, _ := strings.Cut(e, "=")
		args = append(args, "--setenv", name, value)
	}
	for _, dir := range s.Root.parents() {
		args = append(args, "--perms", "0755", "--dir", dir) // bubblewrap's own would be root's alone
	}
	for _, path := range s.Root.Binds {
		bind := "--ro-bind"
		if strings.HasPrefix(path, "/dev/") {
			bind = "--dev-bind"
		}
		args = append(args, bind, path, path)
	}
	for _, l := range s.Root.Links {
		args = append(args, "--symlink", l.Target, l.Path)
	}
	args = append(args, "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/tmp", "--")
	return append(args, s.python()...)
}
