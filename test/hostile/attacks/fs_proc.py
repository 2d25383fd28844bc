# Tries: to find or mount /proc, /sys, a tmpfs or the host's root, in the old way and in the new one.
# Must hold: no file system but those that are there; /proc and /sys are plain files of the root's, and say nothing of the host.
import os

from attack import attempt, libc, reached, syscall


def main(**_):
    os.mkdir("there")
    for kind in (b"proc", b"sysfs", b"tmpfs", b"cgroup2", b"devpts", b"overlay"):
        attempt("mount", syscall, "mount", kind, b"there", kind, 0, None)
        attempt("fsopen", syscall, "fsopen", kind, 0)
    attempt("bind /", syscall, "mount", b"/", b"there", None, 4096, None)
    attempt("remount / writable", syscall, "mount", b"none", b"/", None, 32 | 4096, None)
    attempt("umount", syscall, "umount2", b"/tmp", 2)
    attempt("open_tree", syscall, "open_tree", -100, b"/", 1)
    attempt("pivot_root", syscall, "pivot_root", b"there", b"there")
    attempt("chroot", os.chroot, "there")
    for top in ("/proc", "/sys"):
        attempt(top + " is a mount", lambda: os.stat(top).st_dev == os.stat("/").st_dev and 1 / 0)
        for name in ("1", "kcore", "kallsyms", "keys", "cmdline", "sysrq-trigger", "kernel", "block", "self/mem", "self/ns", "self/maps", "self/map_files", "self/task/1"):
            attempt("%s/%s" % (top, name), os.lstat, "%s/%s" % (top, name))
    # Were these the kernel's, they would lead to files of the server's.
    for fd in range(8):
        attempt("open descriptor %d by name" % fd, lambda: libc.open(b"/proc/self/fd/%d" % fd, os.O_RDWR) < 0 and 1 / 0)
    # The only processor and the only memory that are told of are the job's.
    if os.path.exists("/proc/cpuinfo") and open("/proc/cpuinfo").read().count("processor\t") != 1:
        reached.append("the host's processors")
    return reached
