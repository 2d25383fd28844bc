"""One job, from its bytes to the bytes of its answer. Runs behind the walls; everything the user sends is first read here."""
from __future__ import annotations

import faulthandler
import io
import json
import mmap
import os
import resource
import sys

from runner import display, encode, ending, figures, files, hints, linux, modules, report, script, streams, walls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from runner import denied
    from runner.protocol import Document, Request, Settings

# Virtual memory kept back from the job and given up before its failure is reported: after a MemoryError there may be none
# left to say so with.
BALLAST = 8 << 20

# What json.loads and json.dumps would put together anew each time.
_decoder: Any = json.JSONDecoder()
_decode = _decoder.scan_once
_encode = json.JSONEncoder(ensure_ascii=False).encode


class Runner:
    """Everything of a job that does not depend on it. Made once, before the fork where there is one; descriptors 0 to 2 must be
    pipes by then, if not yet the job's own."""

    def __init__(self, settings: Settings, checks: denied.Checks) -> None:
        self._checks = checks
        self._result_bytes = settings["result_bytes"]
        self._ballast = mmap.mmap(-1, BALLAST, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._streams = _open_streams()
        self._directory = files.Directory(
            settings["directory"], tmpfs=not settings["once"], most=settings["files"], size=settings["files_bytes"])
        self._ending = ending.Ending()
        self._outputs = display.Sink(settings["outputs"], settings["outputs_bytes"])
        display.introduce(self._outputs)
        report.home = hints.home = settings["directory"]
        hints.limits = settings["limits"]
        encode.most = settings["result_bytes"]
        if hasattr(sys, "set_int_max_str_digits"):
            sys.set_int_max_str_digits(0)  # integers are exact, however long: in args, in results and in between
        sys.path[:0] = [settings["directory"]]
        sys.argv[:] = [report.SCRIPT]
        # Says where the script was when it crashed, or when the worker asks, which ends it. It writes to the result, since stderr is the
        # script's own.
        faulthandler.enable(walls.RESULT, all_threads=False)
        faulthandler.register(walls.DUMP_SIGNAL, walls.RESULT, all_threads=False, chain=True)

    def serve(self) -> NoReturn:
        """Reads the job, runs it, writes the answer, ends the process."""
        request = _decode(_read_job(walls.JOB).decode(), 0)[0]
        resource.setrlimit(resource.RLIMIT_CPU, (request["cpu_seconds"], request["cpu_seconds"] + 1))
        header, body = self._answer(request)
        self._end(request["script"], header)
        if self._outputs.dropped:
            header["dropped_outputs"] = self._outputs.dropped
        for stream in (sys.stdout, sys.stderr, *self._streams):  # the script may have put its own before ours
            try:
                stream.flush()
            except BaseException:  # closed by the script, say: its own business
                pass
        linux.flush_c_streams()
        _write_all(walls.RESULT, _encode(header).encode("utf-8", "backslashreplace") + b"\n" + body)
        # All at once, or nearly: the worker, which waits for the end of each, is woken once instead of four times.
        os.closerange(walls.STDOUT, walls.STDERR + 1)
        os.closerange(walls.RESULT, walls.RESULT + 1)
        # The answer is out, and the kernel's work of taking this process apart is nothing to wait for. The worker looks at what
        # the process has used, and then closes its end.
        try:
            os.read(walls.JOB, 1)
        except OSError:
            pass  # closed by the script, with all that it did not know
        os._exit(walls.ANSWERED)

    def _end(self, source: str, header: Document) -> None:
        """Ends the program, and adds to the header what it leaves. The streams are flushed after."""
        used = self._directory.used()
        try:
            used = self._ending.come(source, used) or used
        except BaseException:  # for want of memory: the answer is there all the same
            used = True
        if used:
            header.update(self._directory.collect())

    def _answer(self, request: Request) -> tuple[Document, bytes]:
        """The answer's header, and the result's JSON."""
        program = request.get("program", False)
        try:
            if any(map(streams.named_in, _texts(request))):
                streams.answer_to_names()
            if given := request.get("files"):
                self._directory.place(given)
                modules.make_way([file["path"] for file in given], self._directory.path)
            if program:
                code = script.run_program(request, self._checks.program)
                figures.show_open_figures()
                return {"exit_code": code}, b"null"
            body = encode.dumps(script.run(request, self._checks.function))
            figures.show_open_figures()
        except BaseException as error:
            self._ballast.close()
            document = _document(error, request["script"])
            if not program or isinstance(error, script.Refused):
                return {"error": document}, b""
            _print_exception(error, document)
            return {"error": document, "exit_code": 1}, b""
        if len(body) > self._result_bytes:
            message = "Script execution failed: the result is %d bytes of JSON, the limit is %d; return less"
            return {"error": {"code": "output_limit", "message": message % (len(body), self._result_bytes)}}, b""
        return {}, body


def _texts(request: Request) -> tuple[str, ...]:
    return request["script"], *(file.get("content", "") for file in request.get("files") or ())


def _document(error: BaseException, source: str) -> Document:
    if isinstance(error, script.Refused):
        document: Document = {"code": error.code, "message": str(error)}
        if error.line:
            document.update(line=error.line, source_line=report.source_line(source, error.line))
        return document
    if isinstance(error, encode.Invalid):
        return {"code": "invalid_result", "message": str(error)}
    if isinstance(error, encode.TooLong):
        return {"code": "output_limit", "message": str(error)}
    if isinstance(error, script.Unparsable):
        return report.syntax_error(error.__cause__, source)
    return report.exception(error, source)


def _print_exception(error: BaseException, document: Document) -> None:
    """Prints what a program has died of, as Python does; by the program's own hook where it has set one."""
    cause = error.__cause__ if isinstance(error, script.Unparsable) and error.__cause__ else error
    try:
        if sys.excepthook is not sys.__excepthook__:
            frames = report.above_runner(cause.__traceback__)
            sys.excepthook(type(cause), cause, frames)
            return
    except BaseException:
        pass
    try:
        sys.stderr.write(document.get("traceback", ""))
    except BaseException:  # closed by the script, say: its own business
        pass


def _open_streams() -> tuple[io.TextIOWrapper, io.TextIOWrapper]:
    # Every write leaves the process at once: what a killed script had printed is not lost with it. Lone surrogates are printed
    # as escapes: print() must not fail where return does not.
    out, err = (
        io.TextIOWrapper(_file(fd, "w", name), "utf-8", "backslashreplace", write_through=True)
        for fd, name in ((walls.STDOUT, "<stdout>"), (walls.STDERR, "<stderr>"))
    )
    named: Any
    sys.stdout = sys.__stdout__ = out
    sys.stderr = sys.__stderr__ = err
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BufferedReader(_file(walls.STDIN, "r", "<stdin>")), "utf-8", "surrogateescape")
    for named, mode in (out, "w"), (err, "w"), (sys.stdin, "r"):
        named.mode = mode
    linux.unbuffer_c_stdout()
    return out, err


def _file(fd: int, mode: str, name: str) -> io.FileIO:
    """As Python names its own."""
    file = io.FileIO(fd, mode, closefd=False)
    file.name = name
    return file


def _read_job(fd: int) -> bytes:
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


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
