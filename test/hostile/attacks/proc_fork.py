# Tries: to be two: fork, vfork and clone by every road, spawning, a process pool, and a bomb of them.
# Must hold: there is no second process, during the job or after it.
import os
import signal

from attack import attempt, child, reached, syscall


def main(**_):
    attempt("fork", lambda: child(os.fork()))
    attempt("forkpty", lambda: child(os.forkpty()[0]))
    attempt("raw fork", lambda: child(syscall("fork")))
    attempt("raw clone", lambda: child(syscall("clone", int(signal.SIGCHLD), 0, 0, 0, 0)))
    attempt("clone without a signal", lambda: child(syscall("clone", 0, 0, 0, 0, 0)))
    attempt("clone with the parent's parent", lambda: child(syscall("clone", 0x8000 | int(signal.SIGCHLD), 0, 0, 0, 0)))
    attempt("clone3", lambda: child(syscall("clone3", bytes(88), 88)))
    attempt("posix_spawn", os.posix_spawn, "/usr/bin/python3", ["python3", "-c", "import time; time.sleep(600)"], {})
    attempt("system", lambda: os.system("sleep 600 &") and 1 / 0)
    attempt("popen", lambda: os.popen("id").read() or 1 / 0)

    def pool():
        import multiprocessing

        process = multiprocessing.get_context("fork").Process(target=signal.pause, daemon=True)
        process.start()
        return process.pid

    attempt("multiprocessing", pool)
    for _ in range(1000):
        attempt("bomb", lambda: child(os.fork()))
        if reached:
            break
    return reached
