"""Looks for what its predecessor left, tells, and refuses to end."""
import os
import signal


def main():
    print(sorted(os.listdir(".")), flush=True)
    for number in range(1, 32):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        pass
