"""Names the wall that an error comes from, and what to do instead: the kernel's own words for it are about something else.

It is asked only where a script has failed. What it goes by is the exception's type, its errno and the calls that its traceback ends
with; an exception that the script has raised by itself, with whatever errno, comes from no wall.
"""
from __future__ import annotations

import errno
import linecache
import os
import re

from runner import installed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

# The limits of a job that have a number, and where the script and its files are; see job.py.
limits = {"threads": 0, "disk_mb": 0, "disk_files": 0, "open_files": 0}
home = "/tmp"

_NETWORK = "there is no network here: send data in the request's args or files"
_PROCESS = "a script is one process here, and can start no other: use threads (concurrent.futures.ThreadPoolExecutor), or call a library"
_THREADS = "a script may have %(threads)d threads beside its main one here (JOB_THREADS): start fewer at a time"
_OPEN_FILES = "a script may have %(open_files)d files open at a time here: close those that it is done with"
_DISK = "the working directory holds at most %(disk_mb)d MB and %(disk_files)d files here (JOB_DISK_MB)"
_READ_ONLY = "only the working directory can be written to here: use relative paths, such as out.csv"
_PERMISSION = "scripts have no privileges here: a system call that they do not need is refused"
_FOREIGN = "scripts have no privileges here: only what lies in the working directory is theirs"
_STDIN = "the request's stdin is empty, or has been read to its end: send in it what input() is to read"
_NOWHERE = (
    "a script has its working directory alone here: files that it reads come in the request's files, and files that it writes have"
    " relative paths, such as out.csv"
)
_DATABASE = "a database lies in the working directory here, in a folder that exists: use a relative path, such as data.db"
_DISPLAY = "there is no display here: draw with matplotlib, whose figures are among the job's outputs, or into files, as savefig does"

_BY_ERRNO = {
    errno.EMFILE: _OPEN_FILES, errno.ENOSPC: _DISK, errno.EDQUOT: _DISK, errno.EFBIG: _DISK, errno.EROFS: _READ_ONLY,
    errno.ENETUNREACH: _NETWORK, errno.EHOSTUNREACH: _NETWORK, errno.ENETDOWN: _NETWORK, errno.ECONNREFUSED: _NETWORK,
}  # fmt: skip

# What refused calls, and ones that miss something, are about: by the file of Python's that has called, or by the script's line.
_NETWORK_FILES = re.compile(r"/(?:socket|ssl|asyncio/\w+|socketserver)\.py$")
_PROCESS_FILES = re.compile(r"/(?:subprocess|pty|multiprocessing/\w+|loky/.*)\.py$")
_NETWORK_CALL = re.compile(r"\b(?:socket|connect|bind|getaddrinfo)\s*\(")
_PROCESS_CALL = re.compile(r"\b(?:fork|forkpty|fork_exec|posix_spawnp?|exec[vl]p?e?|spawn[vl]p?e?|system|popen)\s*\(")
_NO_DISPLAY = re.compile(r"\bno display\b|\$DISPLAY|\bX server\b|'headless'|video device|connect to display|X connection failed",
                         re.IGNORECASE)
_TK = re.compile(r"/(?:tkinter/.*|turtle)\.py$")
# What errors of our own in the place of Python's say of themselves; see machine.py.
_BY_WALL = {"network": _NETWORK, "process": _PROCESS}
# sqlite's words.
_BY_TEXT = {
    "database or disk is full": _DISK, "disk I/O error": _DISK, "attempt to write a readonly database": _READ_ONLY,
    "unable to open database file": _DATABASE,
}  # fmt: skip
_BY_TYPE = {"gaierror": _NETWORK, "herror": _NETWORK, "BrokenProcessPool": _PROCESS, "TerminatedWorkerError": _PROCESS}

# So many exceptions of a chain are looked at.
_CHAIN = 10


def of(error: BaseException, source: str) -> str:
    """The sentence for an exception that the script let out; empty where no wall of ours is behind it."""
    try:
        sentence = _of_line(error, source) or _of_chain(error)
        return sentence % limits if sentence in _NUMBERED else sentence
    except Exception:  # exceptions, and what stands in them, are the script's own
        return ""


_NUMBERED = (_THREADS, _OPEN_FILES, _DISK)


def of_syntax(error: BaseException, source: str) -> str:
    """The sentence for a script that does not compile."""
    lines = source.split("\n")
    number = getattr(error, "lineno", None) or 0
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    fence = next((i for i, text in enumerate(lines, 1) if text.lstrip().startswith(("```", "~~~"))), 0)
    if fence and (fence >= number or not "".join(lines[: fence - 1]).strip() or line.startswith(("```", "~~~"))):
        return "the script stands in a Markdown fence: send only what is between its ``` lines"
    if line.startswith((">>>", "In [")):
        return "it has the prompts of an interactive session: send only the code behind them"
    if line.startswith(("%", "!")):
        return "lines that begin with % or ! are a notebook's commands and no Python: leave them out"
    text = str(getattr(error, "msg", ""))
    if re.search(r"U\+(?:201[89ABCDEF]|00AB|00BB|2032|2033)\b", text):
        return "quotation marks are \" or ' in Python, not typographic ones"
    if re.search(r"U\+(?:00A0|200[0-9A-F]|202F|205F|2060|3000|FEFF)\b", text):
        return "that is a space as web pages and word processors have it: write a plain one"
    if re.search(r"U\+(?:2013|2014|2212)\b", text):
        return "minus is - in Python, not a dash"
    return ""


def _of_line(error: BaseException, source: str) -> str:
    """What is left of a Markdown fence is the name of its language, which is a name to Python."""
    if isinstance(error, NameError) and error.name in ("python", "python3", "py") and source.split(None, 1)[:1] == [error.name]:
        return "the first line is the language's name of a Markdown fence: send only the lines after it"
    return ""


def _of_chain(error: BaseException) -> str:
    pending, seen = [(error, True)], 0
    while pending and seen < _CHAIN:
        one, direct = pending.pop(0)
        seen += 1
        sentence = _wall(one) or direct and _missing(one)
        if sentence:
            return sentence
        if one.__cause__ is not None:
            pending.append((one.__cause__, direct))
        elif one.__context__ is not None and not one.__suppress_context__:
            pending.append((one.__context__, False))
        if isinstance(one, BaseExceptionGroup):
            pending += [(each, direct) for each in one.exceptions]
    return ""


def _wall(error: BaseException) -> str:
    """The wall that an exception by itself comes from."""
    kind, text = type(error).__name__, str(error)
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    wall = getattr(error, "wall", None)
    if isinstance(wall, str) and wall in _BY_WALL:
        return _BY_WALL[wall]
    code, line, raised = _innermost(error)
    path = code.co_filename if code else ""
    if isinstance(error, OSError):
        return _of_os(error, text, path, line, raised)
    if raised:
        return ""
    if isinstance(error, RuntimeError) and text == "can't start new thread":
        return _THREADS
    if isinstance(error, ValueError) and text.endswith("start method not available"):
        return _PROCESS
    if kind == "OperationalError" and text in _BY_TEXT:
        return _BY_TEXT[text]
    if isinstance(error, EOFError) and text == "EOF when reading a line":
        return _STDIN
    if isinstance(error, ImportError) and (_TK.search(path) or error.name in ("tkinter", "_tkinter", "turtle")):
        return _DISPLAY
    if isinstance(error, ImportError) and "sem_open" in text:
        return _PROCESS
    return _DISPLAY if _NO_DISPLAY.search(text) else ""


def _of_os(error: OSError, text: str, path: str, line: str, raised: bool) -> str:
    if text.startswith("Could not find a suitable TLS CA certificate bundle"):
        return _NETWORK
    if "Multiple exceptions: [Errno" in text and _NETWORK_FILES.search(path):
        return _NETWORK  # asyncio's, for a name with several addresses
    if raised:
        return ""
    number: int | None = error.errno
    if number is None:
        return _DISPLAY if _NO_DISPLAY.search(text) else ""
    if error.errno in _BY_ERRNO:
        return _BY_ERRNO[error.errno]
    if error.errno not in (errno.EPERM, errno.EACCES, errno.ENOENT, errno.ENOSYS):
        return ""
    if _PROCESS_FILES.search(path):
        return _PROCESS
    if _NETWORK_FILES.search(path):
        return _NETWORK
    if error.errno == errno.ENOENT:
        return _NOWHERE if _is_nowhere(error.filename) else ""
    if _PROCESS_CALL.search(line):
        return _PROCESS
    if _NETWORK_CALL.search(line):
        return _NETWORK
    return _FOREIGN if error.errno == errno.EACCES else _PERMISSION


def _is_nowhere(path: object) -> bool:
    """Whether it names something in a folder that there is outside, perhaps, and not here."""
    if not isinstance(path, str) or not path.startswith("/") or path.startswith(home + "/"):
        return False
    return not os.path.isdir(os.path.dirname(path))


def _innermost(error: BaseException) -> tuple[CodeType | None, str, bool]:
    """The code that the traceback ends in, its line as text, and whether a raise of the script's own stands there."""
    tb = error.__traceback__
    if tb is None:
        return None, "", False
    while tb.tb_next is not None:
        tb = tb.tb_next
    code = tb.tb_frame.f_code
    own = code.co_filename == "script.py" or code.co_filename.startswith(home + "/")
    return code, linecache.getline(code.co_filename, tb.tb_lineno) if own else "", own and _raises(code, tb.tb_lasti)


def _raises(code: CodeType, at: int) -> bool:
    import opcode

    return opcode.opname[code.co_code[at]] == "RAISE_VARARGS"


def _missing(error: BaseException) -> str:
    """What to import instead of what is not there."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return installed.instead(error.name, home)
    # pandas', for what it imports when it needs it.
    optional = re.search(r"(?:Missing optional dependency|tried using:) '(\w+)'", str(error)) if isinstance(error, ImportError) else None
    return installed.instead(optional[1], home) if optional else ""
