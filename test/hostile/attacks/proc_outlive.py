# Tries: to live on after its answer: a session of its own, threads that never end and are waited for, handlers at exit and in
# destructors that never return, an answer that is given early.
# Must hold: what is waited for ends with the time limit; no process is left.
# Timeout: 1500
# Ends: timeout
import atexit
import os
import threading
import time

from attack import attempt, child


class Undead:
    def __del__(self):
        time.sleep(600)


undead = Undead()


def main(**_):
    attempt("setsid", os.setsid)
    atexit.register(time.sleep, 600)
    for _ in range(4):
        threading.Thread(target=time.sleep, args=(600,)).start()
    attempt("daemon", lambda: child(os.fork()))
    return []
