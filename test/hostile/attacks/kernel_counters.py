# Tries: what the kernel counts for each user, and for whoever has made that one's namespace: queued signals, timers, watchers, pages of
# pipes, locked memory, watches of epoll, locks of files, message queues, keys. Whoever takes all there is, the host's root has none left.
# Must hold: each is refused, or ends at a number that the host does not notice.
import ctypes
import fcntl
import os
import select
import signal
import threading

from attack import attempt, reached, syscall


def count(what, most, one):
    """How often one() works, which may be most times."""
    for number in range(8 * most + 1000):
        try:
            one(number)
        except (OSError, MemoryError):
            break
    if number > most:
        reached.append("%s: %d" % (what, number))


def main(**_):
    real_time = range(signal.SIGRTMIN, signal.SIGRTMAX + 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, real_time)
    me = threading.get_ident()
    count("queued signals", 128, lambda n: signal.pthread_kill(me, real_time[n % len(real_time)]))
    room = ctypes.create_string_buffer(128)
    ctypes.c_int.from_buffer(room).value = signal.SIGRTMIN
    ctypes.c_int.from_buffer(room, 8).value = -1
    attempt("sigqueue", syscall, "rt_sigqueueinfo", os.getpid(), int(signal.SIGRTMIN), room)
    attempt("sigqueue to a thread", syscall, "rt_tgsigqueueinfo", os.getpid(), threading.get_native_id(), int(signal.SIGRTMIN), room)
    timer = ctypes.c_int()
    for clock in (0, 1, 2, 7):
        attempt("timer_create", syscall, "timer_create", clock, None, ctypes.byref(timer))
    attempt("inotify", syscall, "inotify_init1", 0)
    attempt("fanotify", syscall, "fanotify_init", 0, 0)
    attempt("message queue", syscall, "mq_open", b"x", 0o102, 0o600, None)
    attempt("key", syscall, "add_key", b"user", b"k", b"v", 1, -3)
    attempt("user namespace", syscall, "unshare", 0x10000000)
    attempt("mlock", syscall, "mlock", room, 1)
    attempt("mlock2", syscall, "mlock2", room, 1, 1)
    for fd in range(5):
        for size in (4096, 1 << 20):
            attempt("pages of the worker's pipe %d" % fd, fcntl.fcntl, fd, 1031, size)
    a, b = os.pipe()
    attempt("pages of a pipe", fcntl.fcntl, b, 1031, 1 << 20)
    with open("locked", "wb") as f:
        for i in range(100_000):
            fcntl.lockf(f, fcntl.LOCK_EX, 1, 2 * i)
        # struct flock of an inquiry through another description: what has been taken?
        with open("locked", "rb+") as other:
            answer = fcntl.fcntl(other, 36, bytes([1]) + bytes(31))
        if answer[0] != fcntl.F_UNLCK:
            reached.append("locks are kept by the kernel")
    polls, watches = [], 0
    try:
        while True:
            polls.append(select.epoll())
            for fd in (a, b):
                polls[-1].register(fd, select.EPOLLOUT)
                watches += 1
    except OSError:
        pass
    if watches > 1024:
        reached.append("%d watches" % watches)
    return reached
