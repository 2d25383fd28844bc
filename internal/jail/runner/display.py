"""What a script displays, as Jupyter's MIME bundles: display(), which every script has, and what values say of themselves.

Each bundle is sent as soon as it is made, as a line of its own before the answer's: a job that is killed keeps what it has shown.
"""
from __future__ import annotations

import _thread
import base64
import builtins
import os
import sys
import traceback

from runner import encode, report, walls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    Bundle = tuple[dict[str, Any], dict[str, Any]]

# How a value shows itself, by IPython's names for it.
_METHODS = {
    "text/html": "_repr_html_", "text/markdown": "_repr_markdown_", "image/svg+xml": "_repr_svg_", "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_", "application/pdf": "_repr_pdf_", "text/latex": "_repr_latex_", "application/json": "_repr_json_",
    "application/javascript": "_repr_javascript_",
}  # fmt: skip

# What says yes to any name, as a mock does, has said nothing.
_NOBODYS = "_ipython_canary_method_should_not_exist_"

# The beginnings of lines: a bundle, and word that there were more than is sent.
BUNDLE, MORE = b"+", b"-\n"

# What a bundle's JSON is beside its values and names, about.
_AROUND = 64

# Values of types that this module knows nothing of: of a class's first name, what makes a bundle of one or returns None. See figures.py.
makers: list[Callable[[Any], dict[str, Any] | None]] = []


class Sink:
    """Where a job's bundles go: at most so many, of so many bytes of JSON."""

    def __init__(self, most: int, size: int) -> None:
        self._left, self._room, self.dropped = most, size, 0
        self._lock = _thread.allocate_lock()
        self._lines: list[bytes] = []

    def full(self) -> bool:
        """Whether one more would be one too many, which then counts as left out: nobody need make it."""
        if self._left:
            return False
        self._drop()
        return True

    def send(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        size = _AROUND + sum(len(value) if isinstance(value, str) else 0 for value in data.values())
        if self.full():
            return
        line = encode.dumps({"data": data, "metadata": metadata}) if size <= self._room else b""
        if not 0 < len(line) <= self._room:
            self._drop()
            return
        self._left -= 1
        self._room -= len(line)
        self._write(BUNDLE + line + b"\n")

    def _drop(self) -> None:
        self.dropped += 1
        if self.dropped == 1:
            self._write(MORE)

    def _write(self, line: bytes) -> None:
        """Whole lines, whoever comes meanwhile: another thread, or a signal's handler in this one."""
        self._lines.append(line)
        while self._lines and self._lock.acquire(False):
            try:
                while self._lines:
                    view = memoryview(self._lines.pop(0))
                    while view:
                        view = view[os.write(walls.RESULT, view) :]
            finally:
                self._lock.release()


_sink = Sink(0, 0)


def introduce(sink: Sink) -> None:
    """Gives scripts display()."""
    global _sink
    _sink = sink
    setattr(builtins, "display", display)


def display(
    *values: Any, include: Collection[str] | None = None, exclude: Collection[str] | None = None, metadata: dict[str, Any] | None = None,
    transient: Any = None, display_id: Any = None, raw: bool = False, clear: bool = False, **_: Any,
) -> Any:  # fmt: skip
    """Shows values in the job's outputs, each in all forms that it has. raw: they are MIME bundles themselves. The rest is as in IPython,
    where what has been shown can be taken back or changed, which it cannot be here."""
    for value in values:
        if _sink.full():
            continue
        data, about = _raw(value) if raw else bundle(value)
        if include is not None:
            data = {mime: form for mime, form in data.items() if mime in include}
        if exclude is not None:
            data = {mime: form for mime, form in data.items() if mime not in exclude}
        if data:
            _sink.send(data, {**about, **(metadata or {})})
    return None if display_id is None else Handle(display_id)


class Handle:
    """What display() returns to whoever gave a display_id."""

    def __init__(self, display_id: Any) -> None:
        self.display_id = str(display_id)

    def display(self, value: Any, **named: Any) -> None:
        display(value, **named)

    update = display


def full() -> bool:
    return _sink.full()


def send(data: dict[str, Any], metadata: dict[str, Any]) -> None:
    _sink.send(data, metadata)


def bundle(value: Any) -> Bundle:
    """All forms that a value has, and what it says about them. A form that fails is told on stderr, and is not among them."""
    data: dict[str, Any] = {}
    about: dict[str, Any] = {}
    if not isinstance(value, type):
        for maker in makers:
            data.update(_guarded(maker, value) or {})
        own, of_own = _pair(_guarded(_own, value, "_repr_mimebundle_", include=None, exclude=None))
        if isinstance(own, dict):
            for mime, form in own.items():
                _add(data, str(mime), form)
            about.update(of_own)
        for mime, name in _METHODS.items():
            if mime not in data:
                form, of_form = _pair(_guarded(_own, value, name))
                _add(data, mime, form)
                if of_form and mime in data:
                    about[mime] = of_form
    if "text/plain" not in data:
        _add(data, "text/plain", _guarded(_plain, value))
    return data, about


def _raw(value: Any) -> Bundle:
    data: dict[str, Any] = {}
    if not isinstance(value, dict):
        raise TypeError("display(raw=True) takes dicts of MIME types and data, not %s" % type(value).__name__)
    for mime, form in value.items():
        _add(data, str(mime), form)
    return data, {}


def _own(value: Any, name: str, **named: Any) -> Any:
    """What the value's own method of this name returns, None where it has none."""
    method = getattr(value, name, None)
    if method is None or not callable(method) or getattr(value, _NOBODYS, None) is not None:
        return None
    return method(**named)


def _plain(value: Any) -> str:
    text = repr(value)
    return text if type(text) is str else str.__str__(text)


def _pair(form: Any) -> tuple[Any, dict[str, Any]]:
    """A method may return data alone, or data and metadata."""
    if isinstance(form, tuple) and len(form) == 2:
        return form[0], form[1] if isinstance(form[1], dict) else {}
    return form, {}


def _add(data: dict[str, Any], mime: str, form: Any) -> None:
    form = None if form is None else _guarded(_sendable, mime, form)
    if form is not None:
        data[mime] = form


def _sendable(mime: str, form: Any) -> Any:
    """A form as its MIME type is sent: JSON as it is, what is no text as base64."""
    if mime == "application/json" or mime.endswith("+json"):
        encode.dumps(form)  # else all of the bundle would fail
        return form
    if is_binary(mime):
        if isinstance(form, str):
            form = "".join(form.split())
            base64.b64decode(form, validate=True)
            return form
        return base64.b64encode(form).decode()
    if isinstance(form, (bytes, bytearray)):
        return form.decode()
    return form if type(form) is str else str(form)


def is_binary(mime: str) -> bool:
    kind, _, name = mime.partition("/")
    return kind in ("image", "audio", "video") and not name.endswith("+xml") or mime in ("application/pdf", "application/octet-stream")


def _guarded(make: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return make(*arguments, **named)
    except MemoryError:
        raise
    except NotImplementedError:
        return None
    except Exception as error:
        say(error)
        return None


def say(error: BaseException) -> None:
    """Prints an exception that changes nothing, without the runner's own frames."""
    frames = report.above_runner(error.__traceback__)
    try:
        traceback.print_exception(type(error), error, frames)
    except Exception:  # stderr is closed, say
        pass
