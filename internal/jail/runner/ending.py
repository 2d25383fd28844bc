"""The end of a program as Python has it: threads are waited for, exit handlers run, what was never closed is written out.

A job's process ends with os._exit, which does none of this: finalising pandas costs 25 ms. So it is done for what the script made since
the fork, and where it made nothing of the kind that is found out by comparing a few lengths.
"""
from __future__ import annotations

import atexit
import faulthandler
import gc
import io
import sys

from runner import report, walls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

# A script without any of these words has nothing in its global names whose end could be told from outside, but for files.
_SPEAKING = "__del__", "yield", "open("

# What counts what the standard library does at the exit: a module and the way from there. Their handlers may have been registered by
# the server, and say nothing by being there.
_KEPT = (("logging", "_handlerList"), ("weakref", "finalize", "_registry"), ("multiprocessing.util", "_finalizer_registry"))


class Ending:
    """Made once, when the server has all that it will ever have: what comes on top is the job's."""

    def __init__(self) -> None:
        kept = [_found(sys.modules.get(name), way) for name, *way in _KEPT]
        self._kept: list[tuple[Any, int]] = [(things, len(things)) for things in kept if things is not None]
        self._handlers = atexit._ncallbacks()
        self._threading: Any = sys.modules.get("threading")
        self._threads = self._threading and self._threading._active
        self._hooks = len(self._threading._threading_atexits) if self._threading else 0

    def come(self, source: str, files: bool) -> bool:
        """Ends the program. source is the script, files says whether anything lies in the working directory. True when anything was left
        to do that may have changed that."""
        more = self._join_threads()
        more = self._run_handlers() or more
        if not files and not any(word in source for word in _SPEAKING):
            return more
        _flush()
        _guarded(_write_out, True)  # before a cycle of them is taken apart in whatever order
        _guarded(release_names)
        _guarded(_write_out)
        return True

    def _join_threads(self) -> bool:
        threading = self._threading or sys.modules.get("threading")
        if threading is None:
            return False
        if threading is self._threading and len(self._threads) == 1 and len(threading._threading_atexits) == self._hooks:
            return False
        # Should the time be over first, the worker wants to hear of threads, too.
        faulthandler.register(walls.DUMP_SIGNAL, walls.RESULT, all_threads=True)
        _guarded(join_threads, threading)
        return True

    def _run_handlers(self) -> bool:
        if atexit._ncallbacks() == self._handlers:
            for things, count in self._kept:
                if len(things) != count:
                    break
            else:
                return False
        _guarded(run_handlers)
        return True


# The names of these three are what the worker reads in the trace of a script that is over its time (outcome.go).


def join_threads(threading: Any) -> None:
    threading._shutdown()


def run_handlers() -> None:
    atexit._run_exitfuncs()  # each handler's own failure is printed, as at any exit


def release_names() -> None:
    """Lets go of the global names of the script and of the modules that came with it, in Python's order: those with an underscore first."""
    modules = [m for m in list(sys.modules.values()) if getattr(m, "__name__", "") == "__main__" or _came_along(m)]
    for module in modules:
        names = vars(module)
        for private in (True, False):
            for name in list(names):
                if name != "__builtins__" and (name[:1] == "_" and name[1:2] != "_" if private else True):
                    names[name] = None
    gc.collect()


def _came_along(module: object) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and file.startswith(report.home + "/")


def _write_out(text_alone: bool = False) -> None:
    """Writes out what is still open of all that was made since the fork: the garbage collector knows of no other object here.

    The outermost layers come first: text, then what Python itself wraps around files (gzip, zipfile), then buffers.
    """
    texts, wrappers, buffers = [], [], []
    archive = getattr(sys.modules.get("zipfile"), "ZipFile", io.IOBase)
    for thing in gc.get_objects():
        kind = type(thing)
        if issubclass(kind, io.TextIOBase):
            texts.append(thing)
        elif issubclass(kind, (io.BufferedWriter, io.BufferedRandom, io.BufferedRWPair)):
            buffers.append(thing)
        elif issubclass(kind, archive) or issubclass(kind, io.IOBase) and kind.__module__ != "_io":
            wrappers.append(thing)
    layers = ("flush", texts), ("close", wrappers), ("flush", buffers)
    for ending, things in layers[:1] if text_alone else layers:
        for thing in things:
            try:
                getattr(thing, ending)()
            except BaseException:  # closed, or only to be read
                pass


def _flush() -> None:
    for stream in sys.stdout, sys.stderr:
        try:
            stream.flush()
        except BaseException:  # closed by the script, say: its own business
            pass


def _guarded(function: Callable[..., None], *arguments: Any) -> None:
    """What fails at the end is printed and changes nothing."""
    try:
        function(*arguments)
    except BaseException as error:
        try:
            frames = report.above_runner(error.__traceback__)
            sys.excepthook(type(error), error, frames)
        except BaseException:
            pass


def _found(thing: Any, way: Iterable[str]) -> Any:
    for name in way:
        thing = getattr(thing, name, None)
    return thing
