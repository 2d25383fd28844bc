# Tries: to leave a mark for whoever comes next: files, changed modules, a file that would be imported, shared memory, a seed.
# Must hold: nothing of it is there for the next job, which mind_successor runs.
import builtins
import os
import random
import sys

from attack import write


def main(**_):
    for path in ("mark", "/tmp/mark", "/dev/shm/mark", "numpy.py", "json.py", "sitecustomize.py", ".pythonrc.py"):
        try:
            write(path, b"raise SystemExit('marked')")
        except OSError:
            pass
    builtins.marked = sys.marked = random.marked = True
    os.environ["MARKED"] = os.environ["PYTHONPATH"] = "marked"
    random.seed(1)
    import numpy

    numpy.random.seed(1)
    numpy.marked = bytearray(b"marked by a predecessor;" * 100_000)
    return []
