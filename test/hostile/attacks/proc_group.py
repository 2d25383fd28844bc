# Tries: to take its whole process group along, as a Ctrl-C at a terminal does: who started it may be in the same.
# Must hold: nobody but itself is hit.
# Ends: crashed
# Timeout: 3000
import os
import signal


def main(**_):
    os.kill(0, signal.SIGTERM)
    os.kill(0, signal.SIGKILL)
