from __future__ import annotations

import ast
import unittest

from runner import denied

NAMES = ("subprocess", "os", "sys", "eval", "exec")


class DeniedTest(unittest.TestCase):
    def setUp(self) -> None:
        self.check = denied.Check(NAMES)

    def found(self, source: str) -> tuple[str, int] | None:
        """As script.py asks: the quick look first, the tree only where that is not enough."""
        if self.check.passes(source):
            return None
        return self.check.find(ast.parse(source))

    def test_found(self) -> None:
        for source, want in (
            ("import os", ("os", 1)),
            ("import os.path", ("os", 1)),
            ("import json, sys", ("sys", 1)),
            ("import os as operating", ("os", 1)),
            ("from os import path", ("os", 1)),
            ("from builtins import eval", ("eval", 1)),
            ("x = 1\nimport subprocess", ("subprocess", 2)),
            ("import sys\nimport os", ("sys", 1)),  # the first line, not the first name
            ("__import__('os')", ("os", 1)),
            ("__import__(name='os')", ("os", 1)),
            ("import importlib\nimportlib.import_module('os.path')", ("os", 2)),
            ("eval('1')", ("eval", 1)),
            ("run = eval", ("eval", 1)),  # reading the name is enough
            ("def main():\n    return [exec][0]", ("exec", 2)),
            ("import o\uff53", ("os", 1)),  # a wide s, which the parser normalises
        ):
            with self.subTest(source):
                self.assertEqual(self.found(source), want)

    def test_not_found(self) -> None:
        for source in (
            "x = 'import os'",
            "# import os",
            "import oslo",
            "df.eval('a + b')",  # an attribute
            "def eval(x):\n    return x\neval(1)",  # the script's own function
            "def main(exec):\n    return exec",
            "import json as sys\nsys.dumps(1)",
            "from . import x",
            "__import__('json')",
            "__import__(name)",
            "osmosis = 1",
        ):
            with self.subTest(source):
                self.assertIsNone(self.found(source))

    def test_quick_look(self) -> None:
        self.assertTrue(self.check.passes("def main():\n    return 1"))
        self.assertFalse(self.check.passes("x = 'os'"), "only a look at the tree can tell that it is a word in a string")
        self.assertFalse(self.check.passes("\u00e4 = 1"), "identifiers that are not ASCII are normalised by the parser")

    def test_nothing_denied(self) -> None:
        check = denied.Check(())
        self.assertTrue(check.passes("import os\nimport \u00f6s"))
        self.assertIsNone(check.find(ast.parse("import os; eval('1')")))

    def test_next_step(self) -> None:
        sentence = self.check.instead("os")
        self.assertIn("pathlib", sentence)
        self.assertTrue(sentence.endswith("refused here: eval, exec, os, subprocess, sys"), sentence)
        self.assertIn("do without it", self.check.instead("antigravity"))


if __name__ == "__main__":
    unittest.main()
