from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import unittest
from typing import Any
from unittest import mock

from runner import display, encode, figures, notebook


class DisplayTest(unittest.TestCase):
    def setUp(self) -> None:
        self.sent = b""
        self.said = io.StringIO()
        patch: Any
        for patch in (mock.patch.object(os, "write", self.write), mock.patch("builtins.display", create=True),
                      contextlib.redirect_stderr(self.said)):  # fmt: skip
            patch.__enter__()
            self.addCleanup(patch.__exit__, None, None, None)
        self.sink = display.Sink(4, 1000)
        display.introduce(self.sink)

    def write(self, _fd: int, data: memoryview) -> int:
        part = bytes(data[:7])  # a pipe takes what it has room for
        self.sent += part
        return len(part)

    def bundles(self) -> list[Any]:
        return [json.loads(line[1:]) for line in self.sent.splitlines() if line.startswith(display.BUNDLE)]

    def test_forms(self) -> None:
        class Form:
            def __init__(self, **methods: Any) -> None:
                for name, value in methods.items():
                    setattr(self, "_repr_%s_" % name, lambda value=value, **_: value)

            def __repr__(self) -> str:
                return "form"

        cases: Any = (
            (Form(html="<b>"), {"text/html": "<b>"}),
            (Form(png=b"\0"), {"image/png": "AA=="}),
            (Form(png="A A\n=="), {"image/png": "AA=="}),
            (Form(png="no base64!"), {}),
            (Form(jpeg=bytearray(b"\0"), svg=b"<svg>"), {"image/jpeg": "AA==", "image/svg+xml": "<svg>"}),
            (Form(json={"a": [1, float("nan")]}), {"application/json": {"a": [1, None]}}),
            (Form(json={"a": object()}), {}),
            (Form(html=None, latex="$x$"), {"text/latex": "$x$"}),
            (Form(mimebundle={"text/plain": "own", "text/html": 5}, html="not asked"), {"text/plain": "own", "text/html": "5"}),
            (mock.MagicMock(__repr__=lambda _: "form"), {}),
        )
        for value, want in cases:
            with self.subTest(want=want):
                data, _ = display.bundle(value)
                self.assertEqual(json.loads(encode.dumps(data)), {"text/plain": "form", **want})

    def test_a_class_has_no_forms(self) -> None:
        class Kind:
            def _repr_html_(self) -> str:
                return "x"

        self.assertEqual(list(display.bundle(Kind)[0]), ["text/plain"])

    def test_memory_error_is_not_hidden(self) -> None:
        with self.assertRaises(MemoryError):
            display.bundle(mock.Mock(spec=["_repr_html_"], _repr_html_=mock.Mock(side_effect=MemoryError)))

    def test_limits(self) -> None:
        display.display("x" * 400, "y" * 900, 1, 2, 3, 4, 5)
        self.assertEqual([b["data"]["text/plain"][:2] for b in self.bundles()], ["'x", "1", "2", "3"])
        self.assertEqual(self.sent.count(display.MORE), 1, "said once")
        self.assertEqual(len(self.bundles()) + self.sink.dropped, 7)

    def test_what_is_shown_while_something_is_sent(self) -> None:
        """A signal's handler, say: lines stay whole."""
        again = [1, 2]
        plain = self.write

        def interrupted(fd: int, data: memoryview) -> int:
            if again:
                display.display(again.pop())
            return plain(fd, data)

        with mock.patch.object(os, "write", interrupted):
            display.display("first")
        self.assertEqual([b["data"]["text/plain"] for b in self.bundles()], ["'first'", "2", "1"])

    def test_arguments(self) -> None:
        handle = display.display({"text/html": "<b>", "text/plain": "x"}, raw=True, include=["text/html"], metadata={"a": 1}, display_id=7)
        handle.update(5)
        self.assertEqual(self.bundles(), [
            {"data": {"text/html": "<b>"}, "metadata": {"a": 1}}, {"data": {"text/plain": "5"}, "metadata": {}},
        ])  # fmt: skip
        self.assertEqual(handle.display_id, "7")
        with self.assertRaises(TypeError):
            display.display(5, raw=True)

    def test_notebook(self) -> None:
        finder = notebook.Finder()
        self.assertIsNone(finder.find_spec("numpy"))
        self.assertIsNone(finder.find_spec("IPython.terminal"))
        names = notebook._names()
        names["display"](names["HTML"]("<i>"), names["Math"]("x"), names["Image"](data=b"GIF89a", width=3))
        names["display_html"](names["HTML"]("<p>"))
        self.assertEqual([b["data"] for b in self.bundles()], [
            {"text/html": "<i>", "text/plain": "<IPython.core.display.HTML object>"},
            {"text/latex": "$\\displaystyle x$", "text/plain": "<IPython.core.display.Math object>"},
            {"image/gif": "R0lGODlh", "text/plain": "<IPython.core.display.Image object>"},
            {"text/html": "<p>", "text/plain": "<IPython.core.display.HTML object>"},
        ])  # fmt: skip
        with self.assertRaises(TypeError):
            names["HTML"](5)
        with self.assertRaises(ValueError):
            names["Image"]()

    def test_no_figures(self) -> None:
        with mock.patch.dict(sys.modules):
            sys.modules.pop("matplotlib._pylab_helpers", None)
            figures.show_open_figures()
        self.assertEqual(self.sent, b"")
