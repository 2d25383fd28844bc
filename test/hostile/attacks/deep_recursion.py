# Tries: to run over the end of the stack, in Python and in C.
# Must hold: the job ends, its jail does not.
# Ends: crashed exception memory_limit
import sys


class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")


def main(**_):
    sys.setrecursionlimit(1 << 30)
    try:
        Deep().x
    except BaseException:
        pass
    f = lambda: f()
    return f()
