# Tries: to pull the ground from under the runner: all descriptors closed, or one put in another's place.
# Must hold: the job alone is lost.
# Ends: crashed completed
import os


def main(**_):
    for fd in range(256):
        try:
            os.close(fd)
        except OSError:
            pass
    for _ in range(64):
        os.pipe()
    print("into the dark")
    return []
