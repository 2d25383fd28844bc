# Tries: not to be ended: every signal ignored and blocked, the one that asks where it is included, the CPU limit's too, while it
# spins in a thread beside.
# Must hold: it ends at its time limit all the same.
# Timeout: 700
# Ends: timeout
import signal
import threading


def main(**_):
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))

    def spin():
        while True:
            pass

    for _ in range(3):
        threading.Thread(target=spin).start()
    while True:
        try:
            spin()
        except BaseException:
            pass
