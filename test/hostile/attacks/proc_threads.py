# Tries: as many threads as it can get, each of which waits for ever.
# Must hold: a bound on them (16 unless configured otherwise), and none is left afterwards.
import threading

from attack import reached


def main(**_):
    threading.stack_size(64 << 10)
    started = 0
    try:
        for _ in range(2000):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            started += 1
    except (RuntimeError, MemoryError):
        pass
    if not 1 <= started <= 64:
        reached.append("%d threads" % started)
    return reached
