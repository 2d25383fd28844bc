"""Tries what bounds a jail as a whole, with the rlimits taken away that would come first. Each attack is a job of its own."""
import mmap
import threading


def main(attack, **limits):
    return ATTACKS[attack](**limits)


def memory(megabytes, **_):
    kept = []
    for _ in range(megabytes):
        piece = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        piece.write(bytes(1 << 20))
        kept.append(piece)
    return "%d MB" % megabytes


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


ATTACKS = {"memory": memory, "threads": threads}
