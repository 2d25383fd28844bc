# Tries: to find or mount /proc, /sys, a tmpfs or the host's root, in the old way and in the new one.
# Must hold: no file system but those that are there; /proc shows nothing.
import os

from attack import attempt, reached, syscall


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
    attempt("/proc", lambda: os.listdir("/proc") or 1 / 0)
    attempt("/sys", lambda: os.listdir("/sys") or 1 / 0)
    return reached
