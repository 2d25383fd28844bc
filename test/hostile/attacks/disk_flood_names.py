# Tries: to fill a disk that has no size of its own with names, for as long as it lives.
# Must hold: it is ended while there are few.
# Ends: output_limit
# Timeout: 10000
# Levels: process
import os


def main(**_):
    i = 0
    while True:
        os.makedirs("d%d/e" % i)
        os.symlink("x" * 4000, "d%d/l" % i)
        os.open("d%d/f" % i, os.O_CREAT | os.O_WRONLY)
        os.close(5)
        i += 1
