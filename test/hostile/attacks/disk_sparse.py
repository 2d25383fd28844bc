# Tries: a file of 2 GB, sparse, truncated, allocated, and written beyond its end.
# Must hold: none is longer than the working directory may hold.
import os

from attack import attempt, reached


def main(disk_mb, **_):
    fd = os.open("big", os.O_RDWR | os.O_CREAT)
    attempt("truncate", lambda: os.ftruncate(fd, 2 << 30) or os.fstat(fd).st_size)
    attempt("allocate", lambda: os.posix_fallocate(fd, 0, 2 << 30) or os.fstat(fd).st_size)
    attempt("write beyond", lambda: os.pwrite(fd, b"x", 2 << 30) or os.fstat(fd).st_size)
    if os.fstat(fd).st_size > disk_mb << 20:
        reached.append("%d bytes" % os.fstat(fd).st_size)
    return reached
