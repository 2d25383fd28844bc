# Tries: to go on while it is asked where it is: it ignores the question, in several threads.
# Must hold: it is ended before it has a few times its limit, and called what it is.
# Ends: memory_limit
import ctypes
import mmap
import signal
import threading
import time

from attack import reached


def main(memory_mb, **_):
    for number in range(1, 32):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass

    def fill():
        m = mmap.mmap(-1, memory_mb << 22, mmap.MAP_PRIVATE)
        ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(m)), 1, len(m))
        time.sleep(10)

    threads = [threading.Thread(target=fill) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reached.append("%d MB" % (16 * memory_mb))
    return reached
