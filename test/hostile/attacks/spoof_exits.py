# Tries: every way to leave early: exceptions that nobody expects, raised where nobody looks, in threads, destructors, hooks and
# signal handlers.
# Must hold: an answer in time that is no success.
# Timeout: 1500
# Ends: exception crashed timeout
import signal
import sys
import threading


class Last(BaseException):
    def __del__(self):
        raise SystemExit(0)

    def __str__(self):
        raise KeyboardInterrupt


def main(**_):
    sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *a: sys.exit(0)
    signal.signal(signal.SIGALRM, lambda *a: (_ for _ in ()).throw(Last()))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    sys.settrace(lambda *a: (_ for _ in ()).throw(GeneratorExit()))
    threading.Thread(target=sys.exit).start()
    raise Last()
