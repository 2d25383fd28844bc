# Tries: to stop itself, so that it uses no time and never ends.
# Must hold: it ends at its time limit.
# Timeout: 700
# Ends: timeout
import os
import signal


def main(**_):
    while True:
        os.kill(os.getpid(), signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGTSTP)
