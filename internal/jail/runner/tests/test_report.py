from __future__ import annotations

import linecache
import unittest
from typing import Any
from unittest import mock

from runner import report


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def failure(source: str) -> BaseException:
    """What a script of this source lets out."""
    linecache.cache[report.SCRIPT] = (len(source), None, report.source_lines(source), report.SCRIPT)
    try:
        exec(compile(source, report.SCRIPT, "exec", dont_inherit=True), {"Unprintable": Unprintable})
    except BaseException as error:
        return error
    raise AssertionError("it did not fail")


class ReportTest(unittest.TestCase):
    def setUp(self) -> None:
        # This checkout may itself lie in /tmp.
        self.enterContext(mock.patch.object(report, "home", "/home-of-the-script"))

    def tearDown(self) -> None:
        linecache.cache.pop(report.SCRIPT, None)

    def document(self, source: str) -> dict[str, Any]:
        return report.exception(failure(source), source)

    def test_line_and_frames(self) -> None:
        source = "import json\n\ndef f():\n    json.loads('{')\n\nf()\n"
        document = self.document(source)
        self.assertEqual((document["code"], document["type"]), ("exception", "JSONDecodeError"))
        self.assertEqual((document["line"], document["source_line"]), (4, "json.loads('{')"), "the script's own innermost line")
        self.assertTrue(document["message"].startswith("Script execution failed: JSONDecodeError: Expecting"), document["message"])
        self.assertIn("(line 4)", document["message"])
        self.assertIn('File "script.py", line 6, in <module>', document["traceback"])
        self.assertNotIn("decoder.py", document["traceback"])
        self.assertNotIn("test_report", document["traceback"])

    def test_memory(self) -> None:
        document = self.document("raise MemoryError")
        self.assertEqual((document["code"], document["message"]), ("memory_limit", "Script execution failed: memory limit exceeded"))

    def test_exit(self) -> None:
        message = self.document("raise SystemExit(3)")["message"]
        self.assertIn("SystemExit: 3 (the script ended itself; return from main() instead) (line 1)", message)
        self.assertIn("failed: SystemExit (the script", self.document("raise SystemExit")["message"])

    def test_what_cannot_be_printed(self) -> None:
        self.assertIn("Unprintable: <exception str() failed>", self.document("raise Unprintable")["message"])

    def test_long_messages_are_cut(self) -> None:
        document = self.document("raise ValueError('a' * 100_000 + 'the end')")
        self.assertLess(len(document["message"]), report.MESSAGE_CHARACTERS + 200)
        self.assertIn("characters left out", document["message"])
        self.assertIn("the end", document["message"])
        self.assertLess(len(document["traceback"]), report.TRACEBACK_CHARACTERS + 200)

    def test_chains_and_groups_keep_own_frames_only(self) -> None:
        source = "import json\ntry:\n    json.loads('')\nexcept ValueError as e:\n"
        source += "    raise ExceptionGroup('both', [e, KeyError(1)]) from e\n"
        text = self.document(source)["traceback"]
        for wanted in ("The above exception was the direct cause", "ExceptionGroup: both (2 sub-exceptions)", "KeyError: 1"):
            self.assertIn(wanted, text)
        self.assertNotIn("decoder.py", text)

    def test_syntax_errors(self) -> None:
        for source, line, wanted in (
            ("def main():\n    return 1 +", 2, "Syntax error on line 2: invalid syntax"),
            ("x = '\0'", None, "null bytes"),
            ("(" * 1000, None, "nested"),
        ):
            try:
                compile(source, report.SCRIPT, "exec", dont_inherit=True)
            except (SyntaxError, ValueError, MemoryError) as error:
                document = report.syntax_error(error, source)
            with self.subTest(source[:20]):
                self.assertEqual(document["code"], "syntax_error")
                self.assertIn(wanted, document["message"])
                if line:
                    self.assertEqual((document["line"], document["source_line"]), (line, source.split("\n")[line - 1].strip()))

    def test_lines_are_counted_as_python_does(self) -> None:
        self.assertEqual(report.source_lines("a\x0cb\r\nc\rd"), ["a\x0cb\n", "c\n", "d\n"])
        self.assertEqual(report.source_line("a\n  b  \n", 2), "b")
        self.assertEqual(report.source_line("a", 5), "")


if __name__ == "__main__":
    unittest.main()
