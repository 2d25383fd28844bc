# Tries: to die so that it looks like something else: by the signals of a memory or CPU limit.
# Must hold: it has crashed, or is said to have; an honest timeout needs time.
# Ends: crashed
import os
import signal


def main(**_):
    os.kill(os.getpid(), signal.SIGKILL)
