package launch

import (
	"fmt"
	"strconv"

	"safepy/internal/jail/seccomp"
)

// nsjailArgs is the command line of nsjail for s.
func nsjailArgs(s Spec) []string {
	args := []string{
		s.Program, "-Mo", "--quiet", "--disable_proc", "--hostname", HostName, "--nice_level", "0",
		// nsjail's own defaults are meant for one short job; the server lives on, and its jobs get limits of their own.
		"--time_limit", "0", "--rlimit_as", "max", "--rlimit_cpu", "max", "--rlimit_fsize", "max", "--rlimit_core", "0",
		"--rlimit_stack", "8", "--rlimit_nproc", "max", "--rlimit_nofile", strconv.Itoa(s.OpenFiles),
		"--pass_fd", strconv.Itoa(ControlFD), "--seccomp_string", seccomp.OuterPolicy(),
	}
	for _, e := range s.environment() {
		args = append(args, "--env", e)
	}
	if s.Level == Process {
		id := strconv.Itoa(s.IDs.Job)
		args = append(args, "--user", id, "--group", id, "--cwd", s.Directory,
			"--disable_clone_newuser", "--disable_clone_newns", "--disable_clone_newpid", "--disable_clone_newnet",
			"--disable_clone_newipc", "--disable_clone_newuts", "--disable_clone_newcgroup")
		if s.Chroot != "" {
			args = append(args, "--chroot", s.Chroot)
		}
		return append(append(args, "--"), s.python()...)
	}
	args = append(args, "--keep_caps", "--iface_no_lo", "--cwd", "/tmp", "--tmpfsmount", "/tmp")
	for _, m := range s.IDs.maps() {
		id := fmt.Sprintf("%d:%d:1", m.ContainerID, m.HostID)
		args = append(args, "--user", id, "--group", id)
	}
	for _, path := range s.Root.Binds {
		args = append(args, "--bindmount_ro", path)
	}
	for _, l := range s.Root.Links {
		args = append(args, "--symlink", l.Target+":"+l.Path)
	}
	return append(append(args, "--"), s.python()...)
}
