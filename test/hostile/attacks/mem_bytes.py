# Tries: more memory than it may have, one block or many, caught and tried again until nothing is left.
# Must hold: it never has more than a few times its limit; the rest of the host does not notice.
# Ends: memory_limit
from attack import reached


def main(memory_mb, **_):
    most = 0
    for size in (1 << 60, 1 << 45, 64 << 20, 1 << 20, 64 << 10):
        hoard = []
        try:
            while True:
                hoard.append(bytearray(size))
                most = max(most, len(hoard) * size)
                if most > 4 * memory_mb << 20:
                    reached.append("%d MB" % (most >> 20))
                    return reached
        except MemoryError:
            pass
    return reached
