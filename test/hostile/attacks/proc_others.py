# Tries: to see, trace, read and write other processes.
# Must hold: none can be traced, read or written, and the only numbers that exist are its own and the first of its namespace.
# Levels: namespaces
import ctypes
import os

from attack import attempt, reached, syscall


def main(**_):
    seen = []
    for pid in range(1, 5000):
        try:
            os.kill(pid, 0)
            seen.append(pid)
        except ProcessLookupError:
            pass
        except PermissionError:
            seen.append(pid)
    if len([pid for pid in seen if pid not in (1, os.getpid())]) > 0:
        reached.append("processes: %r" % seen)
    buffer = ctypes.create_string_buffer(64)
    for pid in {1, os.getppid(), os.getpid()}:
        attempt("attach", syscall, "ptrace", 16, pid, 0, 0)
        attempt("seize", syscall, "ptrace", 0x4206, pid, 0, 0)
        attempt("read", syscall, "process_vm_readv", pid, buffer, 1, buffer, 1, 0)
        attempt("write", syscall, "process_vm_writev", pid, buffer, 1, buffer, 1, 0)
        attempt("pidfd_getfd", lambda: syscall("pidfd_getfd", syscall("pidfd_open", pid, 0), 0, 0))
        attempt("kcmp", syscall, "kcmp", pid, os.getpid(), 0, 0, 0)
        attempt("mem", open, "/proc/%d/mem" % pid, "rb")
    attempt("traced by the parent", syscall, "ptrace", 0, 0, 0, 0)
    return reached
