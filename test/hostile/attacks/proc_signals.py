# Tries: to signal everybody: the first process, its parent, every process and every number there may be, process groups included.
# Must hold: nobody is hit. The jail serves the next job, and nothing has been run twice.
import os
import signal

from attack import syscall


def main(**_):
    me = os.getpid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGSTOP, signal.SIGUSR1, signal.SIGKILL):
        for target in [-1, os.getppid() or 1, *range(1, 400)]:
            if target in (me, 0):
                continue
            for send in (lambda: os.kill(target, number), lambda: os.killpg(target, number) if target > 1 and target != os.getpgrp() else None):
                try:
                    send()
                except OSError:
                    pass
        for pid in (1, 2, 3):
            try:
                syscall("pidfd_send_signal", syscall("pidfd_open", pid, 0), int(number), None, 0)
            except OSError:
                pass
    return []
