# Tries: memory itself: reading and writing anywhere through ctypes, changing code that the server shares, machine code of its own.
# Must hold: its own copy is all that it changes; the next job finds everything as it was.
# Ends: completed crashed
import ctypes
import sys


def main(**_):
    # Small integers and the empty tuple are shared by every object of the process: make 7 another number.
    ctypes.memmove(id(7) + 24, b"\x08", 1)
    ctypes.memset(id(()) + 16, 1, 1)
    ctypes.memset(id(sys.modules["runner.job"]), 0, 64)
    ctypes.memset(0x400000, 0, 1 << 20)
    return []
