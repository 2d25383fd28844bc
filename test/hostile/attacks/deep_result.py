# Tries: a result nested deeper than any reader's stack, written past the encoder.
# Must hold: it is not passed on, and whoever reads the job's document lives.
# Ends: crashed invalid_result
import os


def main(**_):
    deep = b"[" * 1_000_000 + b"]" * 1_000_000
    answer = b'{"files":[]}\n' + deep
    while answer:
        answer = answer[os.write(4, answer):]
    os._exit(0)
