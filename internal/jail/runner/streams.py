"""The job's own streams under their names. Where there is no procfs the kernel knows no way from /dev/stdin to what descriptor 0 is open
on; Python does. Only for jobs in whose text such a name stands: open() is for all others what it always is."""
import builtins
import functools
import io
import os
import sys

_WORDS = "/dev/std", "/dev/fd", "/proc/self/fd"
_NAMED = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_NUMBERED = "/dev/fd/", "/proc/self/fd/"


def named_in(text):
    return any(word in text for word in _WORDS)


def answer_to_names():
    """open, os.open and what is made of them take the names for the descriptors."""
    builtins.open = io.open = sys.modules["_io"].open = _knowing(io.open)
    opened = os.open

    @functools.wraps(opened)
    def open_descriptor(path, *arguments, **keywords):
        fd = _descriptor(path)
        return opened(path, *arguments, **keywords) if fd is None else os.dup(fd)

    os.open = sys.modules["posix"].open = open_descriptor
    numpy = sys.modules.get("numpy.lib._datasource")
    if hasattr(numpy, "_file_openers"):  # keeps an open of its own, since numpy was imported
        numpy._file_openers._file_openers[None] = io.open


def _knowing(opened):
    @functools.wraps(opened)
    def open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        if opener is None:
            fd = _descriptor(file)
            if fd is not None:
                opener = functools.partial(_duplicate, fd)
        return opened(file, mode, buffering, encoding, errors, newline, closefd, opener)

    return open


def _duplicate(fd, _path, _flags):
    return os.dup(fd)


def _descriptor(path):
    """The descriptor that a path names, or None."""
    if isinstance(path, int):
        return None
    try:
        path = os.fsdecode(path)
    except (TypeError, UnicodeError):
        return None
    if path in _NAMED:
        return _NAMED[path]
    for folder in _NUMBERED:
        if path.startswith(folder) and path[len(folder) :].isdigit():
            return int(path[len(folder) :])
    return None
