# Tries: anonymous maps, in small pages and in huge ones.
# Must hold: it is ended before it has a few times its limit, and called what it is.
# Ends: memory_limit
import mmap
import time

from attack import reached


def main(memory_mb, **_):
    kept = []
    for i in range(memory_mb // 2):
        piece = mmap.mmap(-1, 8 << 20, mmap.MAP_PRIVATE)
        piece.madvise((14, 15)[i % 2])  # MADV_HUGEPAGE, MADV_NOHUGEPAGE
        for at in range(0, len(piece), 4096):
            piece[at] = 1
        kept.append(piece)
    time.sleep(1)
    reached.append("%d MB" % (len(kept) * 8))
    return reached
