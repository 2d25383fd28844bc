# Tries: memory by other names, which is not its process's: files in memory, pipes filled to the brim.
# Must hold: no kind gives more than a few times the limit.
# Ends: completed memory_limit crashed
import os

from attack import reached, syscall


def main(memory_mb, **_):
    bound = 4 * memory_mb << 20

    def hoard(name, one, size):
        kept = []
        try:
            while len(kept) * size <= bound:
                kept.append(one())
            reached.append("%s: %d MB" % (name, len(kept) * size >> 20))
        except (MemoryError, OSError, ValueError, OverflowError):
            pass

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

    hoard("files in memory", memory_file, 8 << 20)
    hoard("pipes", full_pipe, 1 << 20)
    return reached
