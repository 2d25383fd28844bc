"""Tries what the worker itself watches, and what bounds a jail as a whole, with the rlimits taken away that would come first. Each attack
is a job of its own."""
import mmap
import os
import tempfile
import threading
import time


def main(attack, **limits):
    return ATTACKS[attack](**limits)


def memory(megabytes, **_):
    return "%d MB" % len(filled(megabytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def filled(megabytes, flags):
    kept = []
    for _ in range(megabytes):
        piece = mmap.mmap(-1, 1 << 20, flags)
        piece.write(bytes(1 << 20))
        kept.append(piece)
    return kept


def hoard(megabytes, **_):
    kept = filled(megabytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    time.sleep(60)
    return "%d MB" % len(kept)


def forgotten(megabytes, **_):
    """Shared memory that is there, though the process has none of its pages any more."""
    kept = filled(megabytes, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    for piece in kept:
        piece.madvise(mmap.MADV_DONTNEED)
    time.sleep(60)
    return "%d MB" % len(kept)


def threads(threads, **_):
    threading.stack_size(64 << 10)
    end, started = threading.Event(), []
    try:
        for _ in range(threads):
            thread = threading.Thread(target=end.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:
        return ""
    finally:
        end.set()
        for thread in started:
            thread.join()
    return "%d threads" % len(started)


def names(disk_mb, **_):
    for i in range(disk_mb * 64 + 1):
        os.mkdir(str(i))
    time.sleep(60)


def bytes_(disk_mb, **_):
    """Too much together: a part has names, and a part is open and has none."""
    with open("named", "wb") as named, tempfile.TemporaryFile(dir=".") as nameless:
        for f in (named, nameless):
            f.write(bytes((disk_mb * 3 << 20) // 4))
            f.flush()
        time.sleep(60)


def mapped(**_):
    """Files without a name that are not open any more."""
    kept = []
    for _ in range(3):
        with tempfile.TemporaryFile(dir=".") as f:
            f.write(bytes(4096))
            f.flush()
            kept.append(mmap.mmap(f.fileno(), 4096))
    # The mapping of Python's own keeps a descriptor.
    os.closerange(5, 256)
    time.sleep(60)


ATTACKS = {"memory": memory, "hoard": hoard, "forgotten": forgotten, "threads": threads, "names": names, "bytes": bytes_, "mapped": mapped}
