"""What of IPython scripts that were written for notebooks ask for: display() and the kinds of things it is given.

Made when a script imports IPython and there is none: it stands behind all other finders, so that one that is installed comes first.
"""
from __future__ import annotations

import builtins
import os
import sys
import types

from runner import display

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_PACKAGES = ("IPython", "IPython.core")
_DISPLAYS = ("IPython.display", "IPython.core.display", "IPython.core.display_functions")


class Finder:
    """For what nobody else finds."""

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "IPython" and not (name.startswith("IPython.") and isinstance(_loader_of("IPython"), _Loader)):
            return None
        if name not in _PACKAGES and name not in _DISPLAYS:
            return None
        spec: Any = type(sys.__spec__)
        made: ModuleSpec = spec(name, _Loader(), is_package=name in _PACKAGES)
        return made


class _Loader:
    def create_module(self, _spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: Any) -> None:
        if module.__name__ in _DISPLAYS:
            vars(module).update(_names())
            return
        # What asks whether it runs in a notebook hears that it does not. matplotlib leaves this version alone.
        module.__version__, module.version_info = "8.24.0", (8, 24, 0, "")
        module.get_ipython = lambda: None
        if module.__name__ == "IPython":
            vars(module).update(_names())
            for name in _DISPLAYS:
                __import__(name)


def _loader_of(name: str) -> object:
    return getattr(getattr(sys.modules.get(name), "__spec__", None), "loader", None)


_made: dict[str, Any] = {}


def _names() -> dict[str, Any]:
    """Made once, when they are wanted."""
    if not _made:
        _made.update(_make())
    return _made


def _make() -> dict[str, Any]:
    class DisplayObject:
        """Data of one kind: given, or read from a file."""

        _mode = "r"

        def __init__(self, data: Any = None, url: str | None = None, filename: Any = None, metadata: Any = None) -> None:
            if filename is None and isinstance(data, os.PathLike):
                data, filename = None, data
            if url is None and isinstance(data, str) and data.startswith(("http://", "https://")):
                data, url = None, data
            self.data, self.url, self.metadata = data, url, metadata or {}
            self.filename = None if filename is None else os.fspath(filename)
            self.reload()

        def reload(self) -> None:
            if self.filename is not None:
                with builtins.open(self.filename, self._mode, encoding=None if "b" in self._mode else "utf-8") as f:
                    self.data = f.read()
            elif self.url is not None:
                from urllib.request import urlopen

                with urlopen(self.url) as answer:  # says that there is no network
                    self.data = answer.read() if "b" in self._mode else answer.read().decode()

        def _with_metadata(self) -> Any:
            return (self.data, self.metadata) if self.metadata else self.data

        def __repr__(self) -> str:
            return "<IPython.core.display.%s object>" % type(self).__name__

    class TextDisplayObject(DisplayObject):
        def reload(self) -> None:
            super().reload()
            if self.data is not None and not isinstance(self.data, (str, bytes)):
                raise TypeError("%s expects text, not %s" % (type(self).__name__, type(self.data).__name__))

    def kind(name: str, method: str, form: Any = DisplayObject._with_metadata) -> Any:
        return type(name, (TextDisplayObject,), {method: form, "__module__": "IPython.core.display"})

    def math(self: Any) -> str:
        return "$\\displaystyle %s$" % str(self.data).strip("$")

    class JSON(DisplayObject):
        def _repr_json_(self) -> Any:
            if isinstance(self.data, str):
                import json

                return json.loads(self.data)
            return self._with_metadata()

    class Code(TextDisplayObject):
        def __init__(self, data: Any = None, url: Any = None, filename: Any = None, language: str | None = None) -> None:
            self.language = language
            super().__init__(data, url, filename)

        def _repr_html_(self) -> str:
            import html

            return "<pre>%s</pre>" % html.escape(str(self.data))

        def __repr__(self) -> str:
            return str(self.data)

    class Pretty(TextDisplayObject):
        def __repr__(self) -> str:
            return str(self.data)

    class Image(DisplayObject):
        _mode = "rb"

        def __init__(
            self, data: Any = None, url: str | None = None, filename: Any = None, format: str | None = None, embed: Any = None,
            width: int | None = None, height: int | None = None, retina: bool = False, unconfined: bool = False, metadata: Any = None,
            alt: str | None = None,
        ) -> None:  # fmt: skip
            if filename is None and isinstance(data, str) and not data.startswith(("http://", "https://")):
                data, filename = None, data
            self.alt = alt
            super().__init__(data, url, filename, metadata)
            if data is None and filename is None and url is None:
                raise ValueError("No image data found. Expecting filename, url, or data.")
            self.metadata = {**self.metadata, **{k: v for k, v in (("width", width), ("height", height), ("alt", alt)) if v is not None}}
            self.format = (format or _format_of(self.data)).lower().replace("jpg", "jpeg")

        def reload(self) -> None:
            if self.filename is not None:
                super().reload()  # one by its address is for whoever looks at it to fetch

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
            if self.data is None:
                import html

                size = "".join(' %s="%s"' % (k, html.escape(str(v))) for k, v in self.metadata.items())
                return {"text/html": '<img src="%s"%s/>' % (html.escape(str(self.url)), size)}
            mime = "image/" + self.format
            return {mime: self.data}, {mime: self.metadata} if self.metadata else {}

    class SVG(TextDisplayObject):
        def _repr_svg_(self) -> Any:
            return self._with_metadata()

    class IFrame:
        def __init__(self, src: str, width: Any, height: Any, **parameters: Any) -> None:
            self.src, self.width, self.height, self.parameters = src, width, height, parameters

        def _repr_html_(self) -> str:
            import html
            from urllib.parse import urlencode

            src = self.src + ("?" + urlencode(self.parameters) if self.parameters else "")
            size = html.escape(str(self.width)), html.escape(str(self.height)), html.escape(src)
            return '<iframe width="%s" height="%s" src="%s" frameborder="0" allowfullscreen></iframe>' % size

    names: dict[str, Any] = {
        "display": display.display, "DisplayHandle": display.Handle, "DisplayObject": DisplayObject, "TextDisplayObject": TextDisplayObject,
        "HTML": kind("HTML", "_repr_html_"), "Markdown": kind("Markdown", "_repr_markdown_"), "Latex": kind("Latex", "_repr_latex_"),
        "Math": kind("Math", "_repr_latex_", math), "Javascript": kind("Javascript", "_repr_javascript_"),
        "SVG": SVG, "JSON": JSON, "Code": Code, "Pretty": Pretty, "Image": Image, "IFrame": IFrame,
        "clear_output": lambda wait=False: None,
        "update_display": lambda value, display_id=None, **named: display.display(value, **named),
        "publish_display_data": lambda data, metadata=None, **_: display.display(data, raw=True, metadata=metadata),
        "set_matplotlib_formats": lambda *formats, **named: None, "set_matplotlib_close": lambda close=True: None,
    }  # fmt: skip
    for form, mime in (
        ("html", "text/html"), ("markdown", "text/markdown"), ("svg", "image/svg+xml"), ("png", "image/png"), ("jpeg", "image/jpeg"),
        ("latex", "text/latex"), ("json", "application/json"), ("pretty", "text/plain"),
    ):  # fmt: skip
        names["display_" + form] = _displaying(mime)
    names["__all__"] = [name for name in names if isinstance(names[name], (type, types.FunctionType))]
    return names


def _displaying(mime: str) -> Any:
    return lambda *values, metadata=None, **_: display.display(*values, include=(mime, "text/plain"), metadata=metadata)


def _format_of(data: Any) -> str:
    """By what an image begins with."""
    for start, name in ((b"\x89PNG", "png"), (b"\xff\xd8", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"), (b"BM", "bmp")):
        if isinstance(data, bytes) and data.startswith(start):
            return name
    return "png"
