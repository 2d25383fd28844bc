# Tries: rarely used forms of calls that are allowed otherwise, and calls beside them that Python does without: where holes were.
# Must hold: every one is refused.
import ctypes
import fcntl
import mmap
import os
import socket

from attack import attempt, raw, reached, syscall


def main(**_):
    a, b = socket.socketpair()
    r, w = os.pipe()
    page = mmap.mmap(-1, 4096)
    room = ctypes.create_string_buffer(4096)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(room), 64)
    message = (ctypes.c_void_p * 7)()
    with open(os.__file__, "rb") as file:
        attempt("splice", syscall, "splice", file.fileno(), None, w, None, 4096, 0)
        attempt("sendfile into a pipe", os.sendfile, w, file.fileno(), 0, 4096)
        for name, request in {"FIEMAP": 0xC020660B, "FIBMAP": 1, "GETFLAGS": 0x80086601, "FIGETBSZ": 2, "GETVERSION": 0x80087601}.items():
            attempt("ioctl " + name, fcntl.ioctl, file, request, bytes(64))
    attempt("vmsplice", syscall, "vmsplice", w, vector, 1, 0)
    attempt("tee", syscall, "tee", r, w, 1, 0)
    attempt("sendmsg", syscall, "sendmsg", a.fileno(), message, 0)
    attempt("recvmsg", syscall, "recvmsg", a.fileno(), message, 0x40)
    attempt("sendmmsg", syscall, "sendmmsg", a.fileno(), message, 1, 0)
    attempt("send_fds", socket.send_fds, a, [b"x"], [0])
    attempt("out of band", a.send, b"x", socket.MSG_OOB)
    attempt("received out of band", b.recv, 1, socket.MSG_OOB | socket.MSG_DONTWAIT)
    program = (ctypes.c_uint64 * 2)(1, ctypes.addressof((ctypes.c_uint64 * 1)(6)))
    for name, option in {"SO_ATTACH_FILTER": 26, "SO_ATTACH_BPF": 50, "SO_PASSCRED": 16, "SO_PEEK_OFF": 42, "SO_LOCK_FILTER": 44, "SO_ZEROCOPY": 60}.items():
        attempt(name, syscall, "setsockopt", a.fileno(), 1, option, program, 16)
    for name, option in {"SO_PEERPIDFD": 77, "SO_PEERGROUPS": 59, "SO_GET_FILTER": 26, "SO_COOKIE": 57}.items():
        attempt(name, syscall, "getsockopt", a.fileno(), 1, option, room, ctypes.byref(ctypes.c_int(64)))
    word = ctypes.c_uint32(0)
    for name, operation in {"LOCK_PI": 6, "UNLOCK_PI": 7, "TRYLOCK_PI": 8, "REQUEUE": 3, "CMP_REQUEUE": 4, "WAKE_OP": 5, "CMP_REQUEUE_PI": 12, "LOCK_PI2": 13}.items():
        for private in (0, 128):
            attempt("futex " + name, syscall, "futex", ctypes.byref(word), operation | private, 1, 1, ctypes.byref(word), 0)
    for command in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256):
        attempt("membarrier %d" % command, syscall, "membarrier", command, 0, 0)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    for advice in (12, 20, 21, 25, 100, 101):
        attempt("madvise %d" % advice, syscall, "madvise", ctypes.c_void_p(address), 4096, advice)
    attempt("huge pages of the host's", mmap.mmap, -1, 2 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
    for command in (8, 10, 15, 1024, 1026, 1031, 1033):
        attempt("fcntl %d" % command, fcntl.fcntl, r, command, 0)
    attempt("O_ASYNC", fcntl.fcntl, r, fcntl.F_SETFL, 0o20000)
    attempt("a pipe of news", syscall, "pipe2", room, 0o200)
    attempt("descriptors of its own", syscall, "close_range", 300, 400, 2)
    attempt("signalfd", syscall, "signalfd4", -1, room, 8, 0)
    attempt("sync", lambda: syscall("sync") and None)
    attempt("syncfs", syscall, "syncfs", r)
    # A thread with descriptors of its own, which the limit on their number does not count together.
    attempt("thread without its maker's files", syscall, "clone", 0x10900, 0, 0, 0, 0)
    return reached
