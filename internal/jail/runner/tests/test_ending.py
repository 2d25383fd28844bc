from __future__ import annotations

import subprocess
import sys
import textwrap
import unittest
from pathlib import Path


class EndingTest(unittest.TestCase):
    """Each in a process of its own, which a program's end is the end of."""

    def ended(self, source: str, files: bool = False) -> tuple[str, str]:
        """What is printed by a script and its end, and whether anything was left to do."""
        program = textwrap.dedent("""
            import gc, os, sys, types
            sys.path[:] = [sys.argv[1], *sys.path]
            from runner import ending, report
            report.home = "/home-of-the-script"  # this checkout may itself lie in /tmp
            end = ending.Ending()
            source = sys.stdin.read()
            module = types.ModuleType("__main__")
            sys.former = sys.modules["__main__"]  # which would go away under this code
            sys.modules["__main__"] = module
            gc.freeze()  # as before a fork: what is there by now is not the script's
            exec(compile(source, "script.py", "exec", dont_inherit=True), module.__dict__)
            more = end.come(source, sys.argv[2] == "files")
            sys.stdout.flush()
            os.write(2, b"more" if more else b"nothing")
            os._exit(0)
        """)
        done = subprocess.run(
            [sys.executable, "-I", "-c", program, str(Path(__file__).parents[2]), "files" if files else "none"],
            input=textwrap.dedent(source), capture_output=True, text=True, timeout=60, check=True)
        return done.stdout, done.stderr

    def test_nothing_to_do(self) -> None:
        self.assertEqual(self.ended("print('x')"), ("x\n", "nothing"))

    def test_handlers_run_in_reverse(self) -> None:
        self.assertEqual(self.ended("import atexit\natexit.register(print, 1)\natexit.register(print, 2)"), ("2\n1\n", "more"))

    def test_threads_are_waited_for(self) -> None:
        out, more = self.ended("""
            import threading
            go = threading.Event()
            def late():
                go.wait()
                print("late")
            threading.Thread(target=late).start()
            threading.Thread(target=go.wait, daemon=True).start()
            go.set()
        """)
        self.assertEqual((out, more), ("late\n", "more"))

    def test_finalisers(self) -> None:
        source = """
            class A:
                def __init__(self, name):
                    self.name = name
                def __del__(self):
                    print(self.name)
            _first, second = A("first"), A("second")
        """
        self.assertEqual(self.ended(source), ("first\nsecond\n", "more"), "names with an underscore go first")

    def test_what_was_never_closed_is_written_out(self) -> None:
        out, more = self.ended("""
            import os, tempfile
            path = os.path.join(tempfile.mkdtemp(), "f")
            f = open(path, "w")
            f.write("kept")
            class Look:
                def __del__(self, path=path, open=open):
                    print(open(path).read())
            look = Look()
        """, files=True)  # fmt: skip
        self.assertEqual((out, more), ("kept\n", "more"))

    def test_a_failing_handler_is_printed_and_changes_nothing(self) -> None:
        out, error = self.ended("import atexit\natexit.register(print, 'after')\natexit.register(lambda: 1 / 0)")
        self.assertEqual(out, "after\n")
        self.assertIn("ZeroDivisionError", error)
        self.assertTrue(error.endswith("more"))


if __name__ == "__main__":
    unittest.main()
