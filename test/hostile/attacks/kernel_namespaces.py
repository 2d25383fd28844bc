# Tries: namespaces of its own, in which it would be root: all kinds, together and alone, by unshare, clone and setns.
# Must hold: none is made or entered.
import os

from attack import attempt, child, reached, syscall

KINDS = {"mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000, "time": 0x80}


def main(**_):
    for name, flag in KINDS.items():
        attempt("unshare " + name, syscall, "unshare", flag)
        attempt("unshare user and " + name, syscall, "unshare", flag | 0x10000000)
        attempt("clone " + name, lambda: child(syscall("clone", flag | 17, 0, 0, 0, 0)))
        attempt("clone a thread with " + name, lambda: child(syscall("clone", flag | 0x10000, 0, 0, 0, 0)) or 1 / 0)
        attempt("setns " + name, lambda: syscall("setns", syscall("pidfd_open", 1, 0), flag))
    for fd in range(5):
        attempt("setns", syscall, "setns", fd, 0)
    attempt("hostname", syscall, "sethostname", b"pwned", 5)
    return reached
