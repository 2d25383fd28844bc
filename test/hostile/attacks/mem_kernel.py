# Tries: memory that the kernel keeps on its behalf, which no limit on its own size counts: sockets full of sockets, watches,
# timers, locks.
# Must hold: an answer in time, and a host that goes on.
# Ends: completed memory_limit crashed timeout
# Timeout: 3000
import fcntl
import os
import select
import signal
import socket

from attack import reached


def main(**_):
    pairs = []
    try:
        while True:
            a, b = socket.socketpair()
            a.setblocking(False)
            pairs.append((a, b))
            try:
                while True:
                    socket.send_fds(a, [b"x" * 1000], [b.fileno()] * 16)
            except (OSError, AttributeError):
                pass
    except OSError:
        pass
    pairs.clear()
    poll = select.epoll()
    for fd in range(5, 256):
        try:
            poll.register(fd)
        except OSError:
            pass
    with open("locked", "wb") as f:
        for i in range(200_000):
            fcntl.lockf(f, fcntl.LOCK_EX, 1, 2 * i)
    return reached
