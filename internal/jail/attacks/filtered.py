"""Tries every wall of a complete jail from inside. Each attack returns what it reached; nothing means that the wall held."""
import ctypes
import mmap
import os
import platform
import resource
import stat
import threading

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
    for path in (folder + "/left", "/left", "/etc/left", "/usr/left", "/dev/shm/left", "/var/tmp/left"):
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


@attack("no /proc")
def no_proc(**_):
    for path in ("/proc", "/sys"):
        try:
            if os.listdir(path):
                return path + " is there"
        except OSError:
            pass


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


@attack("other processes, seen")
def seen(pid, **_):
    # The first process of a namespace that is as it should be belongs to the job: it holds that.
    others = [p for p in [*range(2, 4096), pid] if p > 1 and p != os.getpid() and exists(p)]
    if others:
        return "processes %r" % others[:5]


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@attack("other processes, signalled")
def signalled(pid, **_):
    for target in [*range(2, 4096), pid, -pid] if pid > 1 else [*range(2, 4096), pid]:
        if target in (0, os.getpid(), os.getppid()):
            continue  # whose jail it is, and which ends with it
        if not fails(os.kill, target, 0):
            return "kill(%d)" % target


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
    libc = ctypes.CDLL(None, use_errno=True)
    column = 0 if platform.machine() == "x86_64" else 1
    room = ctypes.create_string_buffer(256)
    # None of these is refused to an ordinary process with EPERM: that is the filter's word.
    for name, numbers, arguments in (
        ("socket", (41, 198), (2, 1, 0)), ("memfd_create", (319, 279), (b"x", 0)), ("personality", (135, 92), (0xFFFFFFFF,)),
        ("execve", (59, 221), (b"/nonexistent", None, None)), ("shmget", (29, 194), (0, 4096, 0o1600)), ("prctl", (157, 167), (3,)),
        ("unshare", (272, 97), (0,)), ("io_uring_enter", (426, 426), (-1, 0, 0, 0, None, 0)), ("kcmp", (312, 272), (0, 0, 0, 0, 0)),
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
