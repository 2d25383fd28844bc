"""Tries the walls that stand beneath the job's own system call filter, with that one taken away: the day it has a hole, these count."""
import ctypes
import os
import platform
import resource
import socket
import time

ATTACKS = {}
libc = ctypes.CDLL(None, use_errno=True)
column = 0 if platform.machine() == "x86_64" else 1


def attack(wall):
    return lambda function: ATTACKS.setdefault(wall, function)


def main(**host):
    found = {}
    for wall, function in ATTACKS.items():
        try:
            found[wall] = function(**host) or ""
        except BaseException as error:
            found[wall] = "the attack broke: %r" % error
    return {"found": found}


def fails(function, *arguments):
    try:
        function(*arguments)
    except OSError:
        return True
    return False


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


@attack("network")
def network(tcp, abstract, **_):
    for family, address in ((socket.AF_INET, ("127.0.0.1", tcp)), (socket.AF_UNIX, "\0" + abstract)):
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(1)
            try:
                s.connect(address)
            except OSError:
                continue
            return "connected to %r on the host" % (address,)
    # Without routes there is no sending at all; with them nobody would answer, but it would have gone out.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return "there is a route to the outside"


@attack("shared memory")
def shared_memory(shm_key, **_):
    if libc.syscall(ctypes.c_long((29, 194)[column]), ctypes.c_long(shm_key), ctypes.c_long(0), ctypes.c_long(0)) != -1:
        return "opened a segment of the host's"


@attack("host name")
def host_name(hostname, **_):
    if os.uname().nodename == hostname:
        return hostname


@attack("no capabilities")
def no_capabilities(bounded, **_):
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    if libc.syscall(ctypes.c_long((125, 90)[column]), header, data) != 0:
        return "capget: " + os.strerror(ctypes.get_errno())
    if any(data):
        return "capabilities %s" % " ".join("%08x" % part for part in data)
    left = [c for c in range(64) if libc.prctl(23, ctypes.c_ulong(c), 0, 0, 0) == 1]
    if bounded and left:
        return "capabilities %r can be had from a file" % left


@attack("no new privileges")
def no_new_privileges(**_):
    if libc.prctl(39, 0, 0, 0, 0) != 1:
        return "a setuid file would work"


@attack("outer filter")
def outer_filter(**_):
    ctypes.set_errno(0)
    keyring = libc.syscall(ctypes.c_long((250, 219)[column]), ctypes.c_long(0), ctypes.c_long(-2), ctypes.c_long(1))
    if keyring != -1 or ctypes.get_errno() != 1:
        return "keyctl: %d, %s" % (keyring, os.strerror(ctypes.get_errno()))


@attack("number of processes")
def number_of_processes(threads, mark, may_fork, **_):
    if not may_fork:
        # Nothing here ends what is forked, or it would take long: this is only looked at.
        most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        return "" if 0 <= most <= threads + 8 else "a limit of %d" % most
    libc.prctl(15, mark.encode(), 0, 0, 0)  # the worker looks for processes of this name afterwards
    count = 0
    try:
        for _ in range(threads + 8):
            if os.fork() == 0:
                os.closerange(0, 1 << 16)  # the end of these is waited for
                time.sleep(600)
            count += 1
    except OSError:
        return None
    return "%d processes" % count
