# Tries: to pay for less than it takes: a result with a usage, times and attempts of its own beside it, after half a second of work.
# Must hold: the time in the answer is what the worker saw.
import os
import time


def main(**_):
    end = time.process_time() + 0.5
    while time.process_time() < end:
        pass
    forged = b'{"files":[],"usage":{"cpu_ms":0,"wall_ms":0,"memory_peak_bytes":-5},"attempts":0,"status":"queued","id":"x","cpu_ms":0,"rss":0}'
    os.write(4, forged + b"\n[]")
    os._exit(0)
