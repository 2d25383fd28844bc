from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
import unittest
from collections.abc import Callable

from runner import hints, installed


def raised(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("it did not fail")


def script(source: str) -> BaseException:
    return raised(lambda: exec(compile(source, "script.py", "exec", dont_inherit=True), {}))


class HintsTest(unittest.TestCase):
    def setUp(self) -> None:
        kept = hints.limits
        self.addCleanup(setattr, hints, "limits", kept)
        hints.limits = {"threads": 16, "disk_mb": 64, "disk_files": 4096, "open_files": 256}

    def test_walls(self) -> None:
        for number, wanted in (
            (errno.EMFILE, "256 files open"), (errno.ENOSPC, "64 MB and 4096 files"), (errno.EROFS, "working directory"),
            (errno.ENETUNREACH, "no network"),
        ):  # fmt: skip
            with self.subTest(errno.errorcode[number]):
                self.assertIn(wanted, hints.of(OSError(number, "x"), ""))
        self.assertIn("no network", hints.of(socket.gaierror(-2, "Name or service not known"), ""))
        self.assertIn("16 threads", hints.of(RuntimeError("can't start new thread"), ""))
        self.assertIn("stdin is empty", hints.of(EOFError("EOF when reading a line"), ""))
        self.assertIn("no display", hints.of(ValueError("no display name and no $DISPLAY environment variable"), ""))

    def test_walls_by_their_words(self) -> None:
        import sqlite3

        self.assertIn("working directory alone", hints.of(raised(lambda: open("/no/such/folder/out.csv", "w")), ""))
        self.assertEqual("", hints.of(raised(lambda: open("/etc/no-such-file")), ""))
        self.assertEqual("", hints.of(raised(lambda: open("missing/file")), ""))
        self.assertIn("64 MB", hints.of(sqlite3.OperationalError("database or disk is full"), ""))
        self.assertIn("data.db", hints.of(raised(lambda: sqlite3.connect("/no/such/folder/x.db")), ""))
        self.assertIn("one process", hints.of(ValueError("forkserver start method not available"), ""))
        self.assertIn("no display", hints.of(OSError("X connection failed: error 5"), ""))
        self.assertIn("not installed", hints.of(ImportError("Missing optional dependency 'pyarro_w'. Use pip or conda to install it."), ""))
        refused = PermissionError(errno.EPERM, "x")
        setattr(refused, "wall", "process")
        self.assertIn("one process", hints.of(refused, ""))

    def test_what_the_script_raises_by_itself_is_no_wall(self) -> None:
        for source in ("raise OSError(28, 'own')", "raise PermissionError(1, 'own')", "raise RuntimeError(\"can't start new thread\")"):
            with self.subTest(source):
                self.assertEqual(hints.of(script(source), source), "")

    def test_chains(self) -> None:
        error = ValueError("wrapped")
        error.__cause__ = OSError(errno.ENOSPC, "x")
        self.assertIn("64 MB", hints.of(error, ""))
        self.assertIn("64 MB", hints.of(ExceptionGroup("g", [KeyError(1), OSError(errno.ENOSPC, "x")]), ""))
        quiet = ValueError("from None")
        quiet.__context__, quiet.__suppress_context__ = OSError(errno.ENOSPC, "x"), True
        self.assertEqual(hints.of(quiet, ""), "")

    def test_syntax(self) -> None:
        for source, wanted in (
            ("```python\nx = 1\n```", "Markdown fence"), (">>> x = 1", "interactive session"), ("%matplotlib inline", "notebook"),
            ("x = \u201ca\u201d", "quotation marks"), ("x\u00a0= 1", "plain one"), ("x = 1 \u2013 2", "minus"), ("x = (", ""),
        ):  # fmt: skip
            error = raised(lambda: compile(source, "script.py", "exec"))
            with self.subTest(source):
                self.assertIn(wanted, hints.of_syntax(error, source))
                if not wanted:
                    self.assertEqual(hints.of_syntax(error, source), "")

    def test_the_name_of_a_fence(self) -> None:
        source = "python\ndef main():\n    return 1"
        self.assertIn("Markdown fence", hints.of(script(source), source))

    def test_missing_modules(self) -> None:
        self.assertIn("not installed", hints.of(raised(lambda: __import__("surely_not_there_at_all")), ""))


class InstalledTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name in ("alpha/__init__.py", "alpha-1.0.dist-info/METADATA", "beta.py", "beta_lib-2.egg-info", "sklearn/__init__.py"):
            path = os.path.join(folder.name, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w"):
                pass
        kept = sys.path
        self.addCleanup(setattr, sys, "path", kept)
        sys.path = [folder.name]

    def test_instead(self) -> None:
        for name, wanted in (
            ("gamma", "gamma is not installed, and a script cannot install it; beside the standard library there are alpha, beta-lib"),
            ("cv2", "cv2 (opencv-python-headless) is not installed"),
            ("alpha.parts", "alpha is installed, and has no module parts"),
            ("alphas", "did you mean alpha?"),
            ("scikit-learn", "did you mean sklearn?"),
            ("tkinter", "a part of the standard library that is installed by itself"),
        ):
            with self.subTest(name):
                self.assertIn(wanted, installed.instead(name, "/tmp"))

    def test_what_people_look_for_comes_first(self) -> None:
        os.mkdir(os.path.join(sys.path[0], "pandas-2.0.dist-info"))
        self.assertIn("there are pandas, alpha, beta-lib", installed.instead("gamma", "/tmp"))

    def test_nothing_installed(self) -> None:
        sys.path = []
        self.assertIn("only the standard library is", installed.instead("gamma", "/tmp"))


if __name__ == "__main__":
    unittest.main()
