# Tries: to answer for ever.
# Must hold: the worker stops reading, and the job with it.
# Timeout: 4000
# Ends: output_limit timeout
import os


def main(**_):
    block = b"[" * (1 << 20)
    while True:
        os.write(4, block)
