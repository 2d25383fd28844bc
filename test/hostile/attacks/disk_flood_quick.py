# Tries: to leave more behind than there is room for, and to be gone before anybody looks; and names that cannot be looked at.
# Must hold: it is told, and nothing of it stays.
# Ends: output_limit
# Levels: process
import os


def main(**_):
    for i in range(5000):
        os.mkdir(str(i), 0)
