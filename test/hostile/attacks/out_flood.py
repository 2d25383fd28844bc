# Tries: to drown the worker in output, on stdout and stderr at once, from Python and past it.
# Must hold: the answer holds what may be kept of it, and the worker does not grow with the flood.
# Timeout: 4000
# Ends: output_limit timeout
import os
import threading


def main(**_):
    block = b"\xff\x00<" * (1 << 18)
    threading.Thread(target=lambda: [os.write(2, block) for _ in iter(int, 1)], daemon=True).start()
    while True:
        os.write(1, block)
