# Tries: memory through numpy, in many pieces and in one, and no MemoryError heeded.
# Must hold: it is ended before it has a few times its limit, and called what it is.
# Ends: memory_limit
import time

from attack import reached


def main(memory_mb, **_):
    import numpy

    kept = []
    for size in [1 << 43] + [1 << 20] * (memory_mb // 2):
        try:
            kept.append(numpy.ones(size))
        except MemoryError:
            pass
    time.sleep(1)
    reached.append("%d MB" % (sum(a.nbytes for a in kept) >> 20))
    return reached
