"""One job, from its bytes to the bytes of its answer. Runs behind the walls; everything the user sends is first read here."""
import base64
import binascii
import inspect
import io
import json
import linecache
import mmap
import os
import resource
import stat
import sys

from runner import encode, linux, report, walls

# Virtual memory kept back from the job and given up before its failure is reported: after a MemoryError there may be none
# left to say so with.
BALLAST = 8 << 20

# The largest files that are handed back, and how many of them. More stay behind with the jail.
FILES_MOST, FILES_BYTES = 32, 4 << 20


class Refused(Exception):
    """The script is wrong, whatever its input: the error's code, sentence and line."""

    def __init__(self, code, message, line=0):
        super().__init__(message)
        self.code, self.line = code, line


class Runner:
    """Everything of a job that does not depend on it, made ready while the child waits."""

    def __init__(self, settings, check):
        self._settings = settings
        self._check = check
        self._ballast = mmap.mmap(-1, BALLAST)
        self._streams = _open_streams()
        self._address_space = walls.address_space(settings["server_space"])
        sys.path[:0] = [os.getcwd()]
        sys.argv[:] = [report.SCRIPT]

    def serve(self):
        """Reads the job, runs it, writes the answer, ends the process."""
        request = _exactly(_read_job(walls.JOB))
        resource.setrlimit(resource.RLIMIT_CPU, (request["cpu_seconds"], request["cpu_seconds"] + 1))
        if request["memory_bytes"]:
            walls.lower(resource.RLIMIT_AS, self._address_space + request["memory_bytes"])
        header, body = _answer(request, self._settings, self._check, self._ballast)
        for stream in self._streams:
            try:
                stream.flush()
            except Exception:  # closed by the script, say: its own business
                pass
        linux.flush_c_streams()
        for fd in (walls.STDOUT, walls.STDERR):
            _close(fd)
        _write_all(walls.RESULT, json.dumps(header).encode() + b"\n" + body)
        _close(walls.RESULT)
        # The answer is out, and the kernel's work of taking this process apart is nothing to wait for. The worker looks at what
        # the process has used, and then closes its end.
        os.read(walls.JOB, 1)
        os._exit(0)


def _answer(request, settings, check, ballast):
    source = request["script"]
    before = _place_files(request.get("files") or ())
    try:
        value = run_main(request, check)
        body = encode.dumps(value)
    except BaseException as error:
        ballast.close()
        return {"error": _document(error, source), "files": _collect_files(before)}, b""
    if len(body) > settings["result_bytes"]:
        message = "Script execution failed: the result is %d bytes of JSON, the limit is %d; return less"
        return {"error": {"code": "output_limit", "message": message % (len(body), settings["result_bytes"])}}, b""
    return {"files": _collect_files(before)}, body


def _document(error, source):
    if isinstance(error, Refused):
        document = {"code": error.code, "message": str(error)}
        if error.line:
            document.update(line=error.line, source_line=report.source_line(source, error.line))
        return document
    if isinstance(error, encode.Invalid):
        return {"code": "invalid_result", "message": str(error)}
    if isinstance(error, _Unparsable):
        return report.syntax_error(error.__cause__, source)
    return report.exception(error, source)


class _Unparsable(Exception):
    """Wraps what the compiler said, so that a SyntaxError raised by the running script is not taken for one."""


def run_main(request, check):
    """Compiles, checks and runs the script, and calls its main()."""
    source = request["script"]
    code = _compile(source, check)
    module = type(sys)("script")
    module.__file__ = report.SCRIPT
    sys.modules["script"] = module
    linecache.cache[report.SCRIPT] = (len(source), None, source.splitlines(True), report.SCRIPT)
    exec(code, module.__dict__)
    main = module.__dict__.get("main")
    if not callable(main):
        raise Refused("no_main", "Script must contain a main() function")
    positional, keywords = _arguments(request.get("args"), main)
    value = main(*positional, **keywords)
    if inspect.isawaitable(value):
        import asyncio

        value = asyncio.run(_await(value))
    return value


async def _await(value):
    return await value


def _compile(source, check):
    try:
        if check.passes(source):
            return compile(source, report.SCRIPT, "exec", dont_inherit=True)
        import ast

        tree = ast.parse(source, report.SCRIPT)
        found = check.find(tree)
        code = compile(tree, report.SCRIPT, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, OverflowError) as error:
        raise _Unparsable from error
    if found:
        name, line = found
        raise Refused("dangerous_import", "Dangerous import detected: %s (line %d)" % (name, line), line)
    return code


def _arguments(args, main):
    positional = args if isinstance(args, list) else []
    keywords = args if isinstance(args, dict) else {}
    code = getattr(main, "__code__", None)
    if code is not None and not args and not code.co_argcount and not code.co_kwonlyargcount:
        return positional, keywords
    try:
        signature = inspect.signature(main)
    except (TypeError, ValueError):  # some builtins have none: the call itself will tell
        return positional, keywords
    try:
        signature.bind(*positional, **keywords)
    except TypeError as error:
        help = "give them in the request's \"args\"" if not args else "the request's \"args\" must fit main%s" % signature
        raise Refused("no_main", "main() cannot be called with the arguments it was given: %s; %s" % (error, help)) from None
    return positional, keywords


class _Unbuffered(io.BufferedWriter):
    """Every write leaves the process at once: what a killed script had printed is not lost with it."""

    def write(self, data):
        count = super().write(data)
        self.flush()
        return count


def _open_streams():
    # Lone surrogates are printed as escapes: print() must not fail where return does not.
    out = io.TextIOWrapper(
        _Unbuffered(io.FileIO(walls.STDOUT, "w", closefd=False), 1 << 16), "utf-8", "backslashreplace", write_through=True
    )
    err = io.TextIOWrapper(
        _Unbuffered(io.FileIO(walls.STDERR, "w", closefd=False), 1 << 16), "utf-8", "backslashreplace", write_through=True
    )
    sys.stdout = sys.__stdout__ = out
    sys.stderr = sys.__stderr__ = err
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BufferedReader(io.FileIO(walls.STDIN, "r", closefd=False)), "utf-8", "surrogateescape")
    return out, err


def _place_files(files):
    """Writes the request's files; returns what lies in the working directory when the script starts."""
    for file in files:
        path, content = file["path"], file.get("content", "")
        data = base64.b64decode(content) if file.get("encoding") == "base64" else content.encode("utf-8", "surrogatepass")
        if "/" in path:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as f:
            f.write(data)
    return {path: _stamp(info) for path, info in _walk(".")} if files else {}


def _collect_files(before):
    """The files that the script made or changed, the newest names last; links are not followed and special files left alone."""
    try:
        found, budget = [], FILES_BYTES
        for path, info in _walk("."):
            if before.get(path) == _stamp(info) or info.st_size > budget or len(found) == FILES_MOST:
                continue
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, "rb") as f:
                data = f.read(budget + 1)
            if len(data) <= budget:
                budget -= len(data)
                found.append(_file_document(path, data))
        return found
    except Exception:  # files are an extra: no result is lost over them
        return []


def _file_document(path, data):
    try:
        return {"path": path, "size": len(data), "content": data.decode(), "encoding": "utf-8"}
    except UnicodeDecodeError:
        return {"path": path, "size": len(data), "content": binascii.b2a_base64(data, newline=False).decode(), "encoding": "base64"}


def _walk(top):
    with os.scandir(top) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            info = entry.stat(follow_symlinks=False)
            path = entry.path[2:] if entry.path.startswith("./") else entry.path
            if stat.S_ISDIR(info.st_mode):
                if entry.name != "__pycache__":
                    yield from _walk(path)
            elif stat.S_ISREG(info.st_mode):
                yield path, info


def _stamp(info):
    return info.st_ino, info.st_size, info.st_mtime_ns


def _read_job(fd):
    """The job: its length in eight bytes, and that many more. The pipe stays open behind it."""
    data = os.read(fd, 64 << 10)
    size = int.from_bytes(data[:8], "big")
    parts, have = [data[8:]], len(data) - 8
    while have < size:
        part = os.read(fd, 1 << 20)
        if not part:
            os._exit(0)  # the worker is gone, or wants no job here any more
        parts.append(part)
        have += len(part)
    if not data:
        os._exit(0)
    return b"".join(parts)


def _exactly(text):
    """Parsed JSON. Integers of any length are taken as they are, for which a limit meant for the script is lifted."""
    if not hasattr(sys, "set_int_max_str_digits"):
        return json.loads(text)
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.loads(text)
    finally:
        sys.set_int_max_str_digits(limit)


def _close(fd):
    try:
        os.close(fd)
    except OSError:
        pass  # closed by the script


def _write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
