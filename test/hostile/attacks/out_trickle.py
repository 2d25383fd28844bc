# Tries: to keep the worker's readers busy with a million tiny writes.
# Must hold: it ends in time.
# Timeout: 1500
# Ends: completed timeout output_limit
import os


def main(**_):
    for _ in range(500_000):
        os.write(1, b"\n")
    return []
