# Tries: to find what a predecessor left: files, modules, environment, shared memory, and its data in memory that comes unwashed.
# Must hold: there is nothing.
import builtins
import os
import random
import sys

from attack import reached


def main(**_):
    here = set(os.listdir(".")) - {"attack.py", "__pycache__"}
    if here:
        reached.append("files: %r" % here)
    for folder in ("/tmp", "/dev/shm", "/var/tmp"):
        try:
            found = set(os.listdir(folder)) - {"attack.py", "__pycache__"}
        except OSError:
            continue
        if found:
            reached.append("files in %s: %r" % (folder, found))
    import numpy

    for holder in (builtins, sys, random, numpy):
        if hasattr(holder, "marked"):
            reached.append("a mark in %r" % holder)
    if "marked" in "".join(os.environ.values()):
        reached.append("environment")
    unwashed = numpy.empty(40 << 20, dtype=numpy.uint8)
    if b"marked by a predecessor" in unwashed.tobytes():
        reached.append("memory")
    return reached
