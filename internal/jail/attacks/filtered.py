"""Tries every wall of a complete jail from inside. Each attack returns what it reached; nothing means that the wall held."""
import ctypes
import fcntl
import mmap
import os
import platform
import resource
import signal
import stat
import struct
import threading
import time

ATTACKS = {}


def attack(wall):
    return lambda function: ATTACKS.setdefault(wall, function)


def main(**host):
    found = {}
    for wall, function in ATTACKS.items():
        try:
            found[wall] = function(**host) or ""
        except BaseException as error:
            found[wall] = "the attack broke: %r" % error
    return {"found": found, "environment": dict(os.environ)}


def fails(function, *arguments):
    try:
        function(*arguments)
    except (OSError, MemoryError, RuntimeError, ValueError):
        return True
    return False


@attack("host files")
def host_files(secret, folder, others, **_):
    for path in (secret, "/etc/shadow", "/root/.profile", "../../../../../.." + secret):
        if not fails(open, path):
            return "read " + path
    for path in (folder + "/left", "/left", "/etc/left", "/usr/left", "/run/left", "/proc/left", "/proc/self/left", "/sys/left",
                 "/var/tmp/left"):
        if not fails(open, path, "w"):
            return "wrote " + path
    for path in others:
        if not fails(os.listdir, path) or not fails(open, path):
            return "found " + path


@attack("read-only root")
def read_only_root(**_):
    for path in ("/", "/usr", os.path.dirname(os.__file__), "/usr/lib", "/lib"):
        if os.path.exists(path) and not os.statvfs(path).f_flag & os.ST_RDONLY:
            return path + " is mounted writable"


@attack("the kernel's /proc")
def kernels_proc(figures, **_):
    """What there is must be plain files of the root's own file system, which say nothing that is true of the host."""
    device = os.stat("/").st_dev
    for top in ("/proc", "/sys"):
        try:
            if os.listdir(top) and os.stat(top).st_dev != device:
                return top + " is a file system of its own"
        except OSError:
            continue
        for path in (top + "/1", top + "/kcore", top + "/kallsyms", top + "/sysrq-trigger", top + "/cmdline", top + "/kernel",
                     top + "/bus"):
            if os.path.lexists(path):
                return path + " is there"
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if os.lstat(path).st_dev != device:
                    return path + " is of another file system"
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    continue
                with open(path) as f:
                    text = f.read()
                for figure in figures:
                    if figure in text:
                        return "%s tells of the host: %s" % (path, figure)


@attack("users of the host")
def users_of_host(users, **_):
    for path in ("/etc/passwd", "/etc/group"):
        try:
            with open(path) as f:
                names = {line.split(":")[0] for line in f}
        except OSError:
            continue
        if names & set(users):
            return "%s names %s" % (path, sorted(names & set(users))[0])


@attack("size of the working directory")
def disk(disk_mb, bounded, **_):
    if not bounded:
        return None  # nothing there has a size; see whole.py
    room = os.statvfs(".")
    if room.f_blocks * room.f_frsize > disk_mb << 20:
        return "it has %d MB" % (room.f_blocks * room.f_frsize >> 20)
    if room.f_files > disk_mb * 64:
        return "it takes %d files" % room.f_files


@attack("size of a file")
def file_size(disk_mb, **_):
    with open("big", "wb") as f:
        if not fails(f.truncate, (disk_mb << 20) + 1):
            return "a file of more than %d MB" % disk_mb
    os.unlink("big")


@attack("other processes, named")
def named(pid, **_):
    ask = {
        "limits": (resource.prlimit, resource.RLIMIT_NOFILE), "processors": (os.sched_getaffinity,), "policy": (os.sched_getscheduler,),
        "group": (os.getpgid,), "session": (os.getsid,), "clock": (lambda number: time.clock_gettime(clock_of(number)),),
        "priority": (lambda number: os.getpriority(os.PRIO_PROCESS, number),), "a signal": (os.kill, 0),
    }
    for number in {1, pid, os.getppid()} - {0, os.getpid()}:
        for what, (function, *arguments) in ask.items():
            if not fails(function, number, *arguments):
                return "%s of process %d" % (what, number)
    for which in (os.PRIO_PGRP, os.PRIO_USER):
        if not fails(os.getpriority, which, 0):
            return "the priority of its group or user"


def clock_of(pid):
    return ctypes.c_int(~pid << 3 | 2).value


@attack("metadata of files")
def metadata(secret, folder, **_):
    # What became of those on the host, the worker looks.
    for path in (secret, folder):
        fails(os.utime, path)
        fails(os.utime, path, (0, 0))
        fails(os.chmod, path, 0o757)
        fails(os.chown, path, -1, -1)
    for path in ("/dev/null", "/dev/zero", os.__file__):
        try:
            before = os.stat(path)
            fails(os.utime, path)
            fails(os.chmod, path, 0o757)
            after = os.stat(path)
        except OSError:
            continue
        if (before.st_mtime_ns, before.st_ctime_ns, before.st_mode) != (after.st_mtime_ns, after.st_ctime_ns, after.st_mode):
            return "changed " + path


@attack("locks of files")
def locks(**_):
    # l_type, l_whence, l_start, l_len, l_pid: would a lock for writing be in another's way?
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
    for path in ("/dev/null", os.__file__):
        if fails(open, path, "rb"):
            continue
        with open(path, "rb") as first, open(path, "rb") as second:
            def refused():
                return fails(fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)

            def seen():
                return struct.unpack_from("h", fcntl.fcntl(second, F_OFD_GETLK, asked))[0] != fcntl.F_UNLCK

            for kind, lock, shows in (("flock", fcntl.flock, refused), ("a lock", fcntl.lockf, seen)):
                fails(lock, first, (fcntl.LOCK_EX if shows is refused else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                shown = shows()
                fails(lock, first, fcntl.LOCK_UN)
                # What still shows is somebody else's, whose business it is to lock files of the host.
                if shown and not shows():
                    return "%s on %s is seen by others" % (kind, path)
                fails(fcntl.flock, second, fcntl.LOCK_UN)


@attack("news of files")
def notification(**_):
    if call("inotify_init1", (294, 26), 0) != -1:
        return "inotify"
    folder = os.open(os.path.dirname(os.__file__), os.O_RDONLY)
    try:
        if not fails(fcntl.fcntl, folder, fcntl.F_NOTIFY, fcntl.DN_ACCESS):
            return "fcntl(F_NOTIFY)"
    finally:
        os.close(folder)
    with open(os.__file__, "rb") as file:
        if not fails(fcntl.fcntl, file, fcntl.F_SETLEASE, fcntl.F_RDLCK):
            return "a lease"


@attack("what others have read")
def page_cache(**_):
    room = ctypes.create_string_buffer(4096)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(room), 16)
    nowait = 8
    with open(os.__file__, "rb") as file:
        if call("preadv2", (327, 286), file.fileno(), vector, 1, 0, 0, nowait) != -1:
            return "preadv2 reads what is in memory, and nothing else"
        if call("cachestat", (451, 451), file.fileno(), (ctypes.c_uint64 * 2)(), (ctypes.c_uint64 * 5)(), 0) != -1:
            return "cachestat"
    page = ctypes.addressof(room) // 4096 * 4096
    if call("mincore", (27, 232), ctypes.c_void_p(page), 4096, ctypes.create_string_buffer(1)) != -1:
        return "mincore"


@attack("what a user is charged for")
def charged(pending_signals, **_):
    number = signal.SIGRTMIN
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        for count in range(2 * pending_signals + 1):
            signal.pthread_kill(threading.get_ident(), number)
        return "%d queued signals" % count
    except OSError:
        pass
    finally:
        while signal.sigtimedwait({number}, 0):
            pass
    timer = ctypes.c_long()
    if call("timer_create", (222, 107), 1, None, ctypes.byref(timer)) != -1:
        return "a timer"
    if not fails(fcntl.fcntl, 1, 1031, 4096):  # F_SETPIPE_SZ
        return "the size of a pipe that the worker reads"
    if call("mlock", (149, 228), ctypes.addressof(ctypes.create_string_buffer(1)), 1) != -1:
        return "locked memory"


libc = ctypes.CDLL(None, use_errno=True)
column = 0 if platform.machine() == "x86_64" else 1
F_OFD_GETLK = 36


def call(_name, numbers, *arguments):
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return libc.syscall(ctypes.c_long(numbers[column]), *converted)


@attack("another user")
def user(**_):
    ids = os.getresuid() + os.getresgid() + tuple(os.getgroups())
    if 0 in ids:
        return "ids %r" % (ids,)


@attack("descriptors of others")
def descriptors(**_):
    for fd in range(1024):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        if fd > 4 or not stat.S_ISFIFO(mode):
            return "descriptor %d is open" % fd


@attack("system calls")
def system_calls(**_):
    room = ctypes.create_string_buffer(256)
    # None of these is refused to an ordinary process with EPERM: that is the filter's word.
    for name, numbers, arguments in (
        ("socket", (41, 198), (2, 1, 0)), ("memfd_create", (319, 279), (b"x", 0)), ("personality", (135, 92), (0xFFFFFFFF,)),
        ("execve", (59, 221), (b"/nonexistent", None, None)), ("shmget", (29, 194), (0, 4096, 0o1600)), ("prctl", (157, 167), (3,)),
        ("unshare", (272, 97), (0,)), ("io_uring_enter", (426, 426), (-1, 0, 0, 0, None, 0)), ("kcmp", (312, 272), (0, 0, 0, 0, 0)),
        ("splice", (275, 76), (-1, None, -1, None, 0, 0)), ("vmsplice", (278, 75), (-1, None, 0, 0)), ("tee", (276, 77), (-1, -1, 0, 0)),
        ("sendmsg", (46, 211), (-1, None, 0)), ("recvmsg", (47, 212), (-1, None, 0)), ("rt_sigqueueinfo", (129, 138), (0, 0, None)),
    ):
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(numbers[column]), *arguments)
        if result != -1 or ctypes.get_errno() != 1:
            return "%s: %d, %s" % (name, result, os.strerror(ctypes.get_errno()))


@attack("one process")
def one_process(**_):
    try:
        pid = os.fork()
    except OSError:
        return None
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "fork"


@attack("number of threads")
def number_of_threads(threads, **_):
    threading.stack_size(64 << 10)
    end, started = threading.Event(), []
    try:
        for _ in range(threads + 8):
            thread = threading.Thread(target=end.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:
        return None
    finally:
        end.set()
        for thread in started:
            thread.join()
    return "%d threads" % len(started)


@attack("address space")
def address_space(space_mb, **_):
    without_reserve = 0x4000  # else the host may have too little memory itself for so much
    if not fails(mmap.mmap, -1, (space_mb + 32) << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | without_reserve):
        return "%d MB" % (space_mb + 32)


@attack("descriptors")
def open_files(open_files, **_):
    opened = []
    try:
        while len(opened) < open_files:
            opened.append(os.dup(0))
    except OSError:
        return None
    finally:
        for fd in opened:
            os.close(fd)
    return "%d descriptors" % len(opened)


@attack("CPU time")
def cpu_time(**_):
    if resource.getrlimit(0)[1] == resource.RLIM_INFINITY:
        return "unlimited"


@attack("no core files")
def core(**_):
    if resource.getrlimit(4)[1] != 0:
        return "allowed"


@attack("leave something behind")
def leave(**_):
    # For the job that comes next in this jail; see endless.py.
    with open("left", "w"):
        pass
