"""Turns an exception into what the user sees of it: type, message, line and a traceback of the script's own frames."""
from __future__ import annotations

import io
import traceback

from runner import hints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from runner.protocol import Document

SCRIPT = "script.py"

# The working directory, where the request's files are.
home = "/tmp"

# Longer messages and tracebacks help nobody and would crowd out the output.
MESSAGE_CHARACTERS = 8 << 10
TRACEBACK_CHARACTERS = 64 << 10


def exception(error: BaseException, source: str) -> Document:
    """The error document of an exception that the script let out."""
    kind = type(error).__name__
    text = "" if isinstance(error, SystemExit) and error.code is None else _text(error)
    document: Document = {"type": kind, "traceback": _traceback(error)}
    line = _last_line(error.__traceback__)
    if line:
        document["line"] = line
        document["source_line"] = source_line(source, line)
    if isinstance(error, MemoryError):
        document["code"] = "memory_limit"
        document["message"] = "Script execution failed: memory limit exceeded"
        return document
    document["code"] = "exception"
    message = "Script execution failed: " + (kind + ": " + text if text else kind)
    if isinstance(error, SystemExit):
        message += " (the script ended itself; return from main() instead)"
    document["message"] = _with(hints.of(error, source), message + (" (line %d)" % line if line else ""))
    return document


def syntax_error(error: Any, source: str) -> Document:
    """The error document of a script that does not compile."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    text = error.msg if isinstance(error, SyntaxError) else _text(error)
    if isinstance(error, (RecursionError, MemoryError)):  # the parser's own stack: MemoryError is what it has always raised
        text = "the script is nested too deeply, or too long, for Python to compile"
    message = "Syntax error%s: %s" % (" on line %d" % line if line else "", text or "the script cannot be parsed")
    document: Document = {"code": "syntax_error", "type": type(error).__name__, "message": _with(hints.of_syntax(error, source), message)}
    if line:
        document["line"] = line
        document["source_line"] = source_line(source, line)
        error.filename = SCRIPT
        document["traceback"] = _cut("".join(traceback.format_exception_only(error)), TRACEBACK_CHARACTERS)
    return document


def _with(hint: str, message: str) -> str:
    return message + "; " + hint if hint else message


def source_lines(source: str) -> list[str]:
    """The lines as Python counts them; str.splitlines would also split at form feeds and the like.

    The last one ends with a line break too, as in linecache: without it traceback marks the place one column too far.
    """
    if source and not source.endswith("\n"):
        source += "\n"
    return io.StringIO(source, newline=None).readlines()


def source_line(source: str, line: int) -> str:
    lines = source_lines(source)
    return lines[line - 1].strip()[:500] if 0 < line <= len(lines) else ""


def _text(error: BaseException) -> str:
    try:
        return _cut(str(error), MESSAGE_CHARACTERS)
    except BaseException:  # an exception whose __str__ raises is still an exception
        return "<exception str() failed>"


def _traceback(error: BaseException) -> str:
    try:
        report = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        _keep_own_frames(report)
        return _cut("".join(report.format()), TRACEBACK_CHARACTERS)
    except BaseException:
        return ""


def _keep_own_frames(report: traceback.TracebackException) -> None:
    pending: list[Any] = [report]
    while pending:
        one = pending.pop()
        if one is None:
            continue
        own = [frame for frame in one.stack if _is_own(frame)]
        one.stack = traceback.StackSummary.from_list(own)
        if str(getattr(one, "filename", "")).startswith(home + "/"):  # a SyntaxError's
            one.filename = one.filename[len(home) + 1 :]
        pending += [one.__cause__, one.__context__] + list(one.exceptions or ())


def _is_own(frame: traceback.FrameSummary) -> bool:
    """Whether the frame is the script's, or of a module that came with it, which then goes by its name in the request."""
    if frame.filename == SCRIPT:
        return True
    if not frame.filename.startswith(home + "/"):
        return False
    frame.line  # is looked up by the file's whole name
    frame.filename = frame.filename[len(home) + 1 :]
    return True


def above_runner(tb: TracebackType | None) -> TracebackType | None:
    """A traceback without the runner's own frames, which come first."""
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith("<runner/"):
        tb = tb.tb_next
    return tb


def _last_line(tb: TracebackType | None) -> int:
    line = 0
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == SCRIPT:
            line = tb.tb_lineno
        tb = tb.tb_next
    return line


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return text[:half] + "\n[... %d characters left out ...]\n" % (len(text) - 2 * half) + text[-half:]
