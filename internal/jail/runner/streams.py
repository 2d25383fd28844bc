"""The job's own streams under their names. Where there is no procfs the kernel knows no way from /dev/stdin to what descriptor 0 is open
on; Python does. Only for jobs in whose text such a name stands: open() is for all others what it always is."""
from __future__ import annotations

import builtins
import functools
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WORDS = "/dev/std", "/dev/fd", "/proc/self/fd"
_NAMED = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_NUMBERED = "/dev/fd/", "/proc/self/fd/"


def named_in(text: str) -> bool:
    return any(word in text for word in _WORDS)


def answer_to_names() -> None:
    """open, os.open and what is made of them take the names for the descriptors."""
    _io: Any = sys.modules["_io"]
    posix: Any = sys.modules["posix"]
    builtins.open = io.open = _io.open = _knowing(io.open)
    opened = os.open

    @functools.wraps(opened)
    def open_descriptor(path: Any, *arguments: Any, **keywords: Any) -> int:
        fd = _descriptor(path)
        return opened(path, *arguments, **keywords) if fd is None else os.dup(fd)

    os.open = posix.open = open_descriptor
    numpy: Any = sys.modules.get("numpy.lib._datasource")
    if hasattr(numpy, "_file_openers"):  # keeps an open of its own, since numpy was imported
        numpy._file_openers._file_openers[None] = io.open


def _knowing(opened: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(opened)
    def open(
        file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, errors: str | None = None, newline: str | None = None,
        closefd: bool = True, opener: Callable[[str, int], int] | None = None,
    ) -> Any:  # fmt: skip
        if opener is None:
            fd = _descriptor(file)
            if fd is not None:
                opener = functools.partial(_duplicate, fd)
        return opened(file, mode, buffering, encoding, errors, newline, closefd, opener)

    return open


def _duplicate(fd: int, _path: str, _flags: int) -> int:
    return os.dup(fd)


def _descriptor(path: Any) -> int | None:
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
