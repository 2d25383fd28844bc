# Tries: memory by other names: anonymous maps, private and shared, files in memory, a file mapped many times, numpy, strings,
# pipes filled to the brim.
# Must hold: no kind gives more than a few times the limit.
# Ends: completed memory_limit crashed
import mmap
import os

from attack import reached, syscall


def main(memory_mb, **_):
    import numpy

    bound = 4 * memory_mb << 20

    def hoard(name, one, size):
        kept = []
        try:
            while len(kept) * size <= bound:
                kept.append(one())
            reached.append("%s: %d MB" % (name, len(kept) * size >> 20))
        except (MemoryError, OSError, ValueError, OverflowError):
            pass

    def touched(m):
        for i in range(0, len(m), 4096):
            m[i] = 1
        return m

    def memory_file():
        fd = syscall("memfd_create", b"x", 0)
        os.write(fd, bytes(8 << 20))
        return fd

    def full_pipe():
        r, w = os.pipe()
        os.set_blocking(w, False)
        try:
            __import__("fcntl").fcntl(w, 1031, 1 << 20)
        except OSError:
            pass
        try:
            while True:
                os.write(w, bytes(65536))
        except BlockingIOError:
            return r, w

    hoard("private", lambda: touched(mmap.mmap(-1, 8 << 20, mmap.MAP_PRIVATE)), 8 << 20)
    hoard("shared", lambda: touched(mmap.mmap(-1, 8 << 20, mmap.MAP_SHARED)), 8 << 20)
    hoard("files in memory", memory_file, 8 << 20)
    hoard("pipes", full_pipe, 1 << 20)
    hoard("numpy", lambda: numpy.ones(1 << 20), 8 << 20)
    hoard("one numpy", lambda: numpy.ones(bound // 8), bound)
    hoard("strings", lambda: "é" * (8 << 20), 16 << 20)
    return reached
