from __future__ import annotations

import contextlib
import io
import sys
import textwrap
import unittest
from typing import Any
from unittest import mock

from runner import denied, script


class ScriptTest(unittest.TestCase):
    def setUp(self) -> None:
        main = sys.modules["__main__"]
        self.addCleanup(sys.modules.__setitem__, "__main__", main)
        self.printed = io.StringIO()

    def run_script(self, source: str, args: Any = None, names: tuple[str, ...] = ("os", "sys", "eval")) -> Any:
        request: Any = {"script": textwrap.dedent(source), "cpu_seconds": 1}
        if args is not None:
            request["args"] = args
        with contextlib.redirect_stdout(self.printed):
            return script.run(request, denied.Check(names))

    def refused(self, source: str, args: Any = None) -> script.Refused:
        with self.assertRaises(script.Refused) as raised:
            self.run_script(source, args)
        return raised.exception

    def test_main(self) -> None:
        for source, want in (
            ("def main():\n    return 1", 1),
            ("main = lambda: 2", 2),
            ("async def main():\n    return 3", 3),
            ("import asyncio\ndef main():\n    return asyncio.sleep(0, 4)", 4),
            ("class Main:\n    def __call__(self):\n        return 5\nmain = Main()", 5),
            ("import functools\ndef add(a, b):\n    return a + b\nmain = functools.partial(add, 2, 4)", 6),
            ("\ufeffdef main():\n    return 7", 7),  # a byte order mark
            ("from math import pi as main_value\ndef main():\n    return __name__, __file__", ("__main__", "script.py")),
        ):
            with self.subTest(source):
                self.assertEqual(self.run_script(source), want)

    def test_arguments(self) -> None:
        source = "def main(a, b=10, *rest, c=100):\n    return a, b, rest, c"
        for args, want in (([1], (1, 10, (), 100)), ([1, 2, 3], (1, 2, (3,), 100)), ({"a": 1, "c": 2}, (1, 10, (), 2))):
            with self.subTest(args=args):
                self.assertEqual(self.run_script(source, args), want)
        self.assertEqual(self.run_script("def main():\n    return 1", []), 1)
        for args in ({"b": 1}, {"a": 1, "d": 2}, []):
            with self.subTest(args=args):
                error = self.refused(source, args)
                self.assertEqual(error.code, "no_main")
                self.assertIn("cannot be called with the arguments it was given", str(error))

    def run_program(self, source: str, args: list[str] | None = None) -> int:
        request: Any = {"script": textwrap.dedent(source), "cpu_seconds": 1, "program": True}
        if args is not None:
            request["args"] = args
        with mock.patch.object(sys, "argv", ["script.py"]), contextlib.redirect_stdout(self.printed), \
                contextlib.redirect_stderr(self.printed):
            return script.run_program(request, denied.Check(()))

    def test_program(self) -> None:
        guarded = "def main():\n    print('main')\nif __name__ == '__main__':\n    main()\n    print('after')\nelse:\n    print('no')"
        for source, args, status, printed in (
            ("print(1)", None, 0, "1\n"),
            (guarded, None, 0, "main\nafter\n"),
            ("import sys\nprint(sys.argv[1:])", ["a", "b"], 0, "['a', 'b']\n"),
            ("import sys\nsys.exit()", None, 0, ""),
            ("import sys\nsys.exit(3)", None, 3, ""),
            ("import sys\nsys.exit(-1)", None, 255, ""),
            ("import sys\nsys.exit(True)", None, 1, ""),
            ("import sys\nsys.exit('no input')", None, 1, "no input\n"),
            ("raise SystemExit((1, 2))", None, 1, "(1, 2)\n"),
        ):
            with self.subTest(source):
                self.printed.seek(0)
                self.printed.truncate()
                self.assertEqual(self.run_program(source, args), status)
                self.assertEqual(self.printed.getvalue(), printed)
        with self.assertRaises(ZeroDivisionError):
            self.run_program("1 / 0")
        with self.assertRaises(script.Unparsable):
            self.run_program("x = (")

    def test_no_main(self) -> None:
        for source, want in (
            ("x = 1", "Script must contain a main() function"), ("main = 3", "a value of type int, which cannot be called"),
        ):  # fmt: skip
            with self.subTest(source):
                error = self.refused(source)
                self.assertEqual(error.code, "no_main")
                self.assertIn(want, str(error))

    def test_denied_names_run_nothing(self) -> None:
        error = self.refused("print('ran')\nimport os\ndef main():\n    return 1")
        self.assertEqual((error.code, error.line), ("dangerous_import", 2))
        self.assertIn("Dangerous import detected: os (line 2); use pathlib", str(error))
        self.assertEqual(self.printed.getvalue(), "")

    def test_unparsable(self) -> None:
        for source in ("def main(:", "return 1", "x = '\0'", "(" * 1000 + ")" * 1000, "def main():\nreturn 1"):
            with self.subTest(source[:20]), self.assertRaises(script.Unparsable):
                self.run_script(source)
        with self.assertRaises(SyntaxError):  # the running script's own is not taken for one
            self.run_script("def main():\n    raise SyntaxError('own')")

    def test_main_runs_once(self) -> None:
        for name, source, printed in (
            ("guarded", """
                def main():
                    print("main")
                if __name__ == "__main__":
                    print("set up")
                    main()
                    print("not reached")
             """, "set up\nmain\n"),
            ("its result", """
                def main():
                    print("main")
                    return 1
                if __name__ == "__main__":
                    value = main()
                    print(value)
             """, "main\n"),
            ("through another function", """
                def main():
                    print("main")
                def run():
                    main()
                if __name__ == "__main__":
                    run()
             """, "main\n"),
            ("the other branch", """
                def main():
                    print("main")
                if __name__ != "__main__":
                    print("imported")
                else:
                    print("program")
                    main()
             """, "program\nmain\n"),
            ("and", """
                def main():
                    print("main")
                __name__ == "__main__" and main()
             """, "main\n"),
            ("defined in the block", """
                if __name__ == "__main__":
                    def main():
                        print("main")
                    main()
             """, "main\n"),
        ):  # fmt: skip
            with self.subTest(name):
                self.printed = io.StringIO()
                self.run_script(source)
                self.assertEqual(self.printed.getvalue(), printed)


if __name__ == "__main__":
    unittest.main()
