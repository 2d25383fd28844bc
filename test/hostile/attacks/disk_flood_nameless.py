# Tries: to fill the disk with files that have no name: open, mapped and closed, and on their way through a socket.
# Must hold: it is ended while there is little, and no file travels.
# Ends: output_limit
# Timeout: 10000
# Levels: process
import mmap
import os
import socket

from attack import attempt, reached


def main(disk_mb, **_):
    a, b = socket.socketpair()
    attempt("a file in a socket", socket.send_fds, a, [b"x"], [b.fileno()])
    if reached:
        return reached
    kept, i = [], 0
    while True:
        fd = os.open("f", os.O_RDWR | os.O_CREAT)
        os.unlink("f")
        for _ in range(disk_mb):
            os.write(fd, bytes(1 << 20))
        if i % 2:
            kept.append(mmap.mmap(fd, 4096))
        i += 1
