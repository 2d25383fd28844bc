# Tries: to turn its own output round: stdout into the answer, the answer into stdout, stdin into both, reading the worker's end.
# Must hold: it ends in time; what comes out is the job's own at most.
# Timeout: 1000
# Ends: crashed completed timeout exception
import os


def main(**_):
    for a, b in ((4, 1), (1, 4), (0, 4), (3, 4)):
        try:
            os.dup2(a, b)
        except OSError:
            pass
    for fd in range(5):
        try:
            os.set_blocking(fd, False)
            os.read(fd, 100)
        except OSError:
            pass
    print('{"files":[]}\n[]', flush=True)
    return []
