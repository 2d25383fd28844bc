# Tries: the classic ways from any object to any other: subclasses of object, frames, the collector, closures and code objects, to
# imports, to files, to whatever the runner still holds.
# Must hold: the walk may succeed, and it reaches nothing that was not the job's already.
import gc
import socket
import sys

from attack import attempt, reached, read


def main(secret, tcp, **_):
    for kind in ().__class__.__base__.__subclasses__():
        if kind.__name__ in ("Popen", "_wrap_close"):
            attempt("by %s" % kind.__name__, lambda: kind.__init__.__globals__["system"]("id") and 1 / 0)
            attempt("Popen", kind, ["/bin/sh", "-c", "id"])
    attempt("io.open by globals", lambda: __builtins__["open"](secret) if isinstance(__builtins__, dict) else __builtins__.open(secret))
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
            if isinstance(value, socket.socket):
                attempt("a socket of the runner's", value.send, b"fork")
                attempt("its peer", value.getpeername)
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, socket.socket) and thing.fileno() >= 0:
            attempt("a socket that was left", thing.send, b"kill")
            attempt("its descriptors", socket.recv_fds, thing, 100, 10)
    attempt("code", lambda: read(secret))
    return reached
