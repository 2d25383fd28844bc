# Tries: to learn from files that all jobs share what others do with them, and to leave word there: news of them, leases, locks of every kind,
# what of them is in memory, their times.
# Must hold: nothing is reported, no lock stands, no question is answered and nothing changes.
import ctypes
import fcntl
import os
import struct

from attack import attempt, reached, syscall

SHARED = ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/etc/ld.so.cache", os.__file__]


def state(path):
    s = os.stat(path)
    return s.st_mode, s.st_uid, s.st_mtime_ns, s.st_ctime_ns


def main(**_):
    attempt("inotify", syscall, "inotify_init1", 0)
    for folder in ("/", "/usr", "/dev", os.path.dirname(os.__file__)):
        try:
            fd = os.open(folder, os.O_RDONLY)
        except OSError:
            continue
        attempt("F_NOTIFY " + folder, fcntl.fcntl, fd, fcntl.F_NOTIFY, fcntl.DN_ACCESS | fcntl.DN_MODIFY)
        os.close(fd)
    for path in SHARED:
        try:
            before, first, second = state(path), os.open(path, os.O_RDONLY), os.open(path, os.O_RDONLY)
        except OSError:
            continue
        for kind in (fcntl.F_RDLCK, fcntl.F_WRLCK):
            attempt("lease on " + path, fcntl.fcntl, first, fcntl.F_SETLEASE, kind)
        locked(path, first, second)
        vector = (ctypes.c_void_p * 2)(ctypes.addressof(ctypes.create_string_buffer(64)), 64)
        attempt("RWF_NOWAIT " + path, syscall, "preadv2", first, vector, 1, 0, 0, 8)
        attempt("cachestat " + path, syscall, "cachestat", first, (ctypes.c_uint64 * 2)(0, 4096), (ctypes.c_uint64 * 5)(), 0)
        for change in (lambda: os.utime(path), lambda: os.utime(path, (0, 0)), lambda: os.chmod(path, 0o666), lambda: os.utime(first), lambda: os.fsync(first)):
            try:
                change()
            except OSError:
                pass
        if state(path) != before:
            reached.append("%s is changed" % path)
        os.close(first)
        os.close(second)
    return reached


def locked(path, first, second):
    """Locks through one description, and asks through another as a second job would. What still shows when all is unlocked is a lock of
    somebody on the host."""
    for lock in (
        lambda: fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB), lambda: fcntl.lockf(first, fcntl.LOCK_SH | fcntl.LOCK_NB),
        lambda: fcntl.fcntl(first, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 7, 1, 0)),
    ):
        try:
            lock()
        except OSError:
            pass
    shown = shows(second)
    for unlock in (
        lambda: fcntl.flock(first, fcntl.LOCK_UN), lambda: fcntl.lockf(first, fcntl.LOCK_UN),
        lambda: fcntl.fcntl(first, 37, struct.pack("hhqqi4x", fcntl.F_UNLCK, 0, 0, 0, 0)),
    ):
        try:
            unlock()
        except OSError:
            pass
    reached.extend("%s on %s" % (lock, path) for lock in shown - shows(second))


def shows(second):
    shown = set()
    try:
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(second, fcntl.LOCK_UN)
    except BlockingIOError:
        shown.add("flock")
    for command in (5, 36):
        answer = fcntl.fcntl(second, command, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        if struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK:
            shown.add("a lock, asked for by %d," % command)
    return shown
