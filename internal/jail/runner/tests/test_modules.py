from __future__ import annotations

import sys
import types
import unittest

from runner import modules, streams


class ModulesTest(unittest.TestCase):
    def test_of_paths(self) -> None:
        for path, want in (
            ("a.py", "a"), ("./a.py", "a"), ("a/__init__.py", "a"), ("a/b.py", None), ("a/b/__init__.py", None), ("a.txt", None),
        ):  # fmt: skip
            with self.subTest(path):
                self.assertEqual(modules._module(path), want)

    def test_own_modules_take_the_place_of_loaded_ones(self) -> None:
        loaded = {name: types.ModuleType(name) for name in ("surely_loaded", "surely_loaded.part", "surely_other")}
        sys.modules.update(loaded)
        try:
            modules.make_way(["surely_loaded.py", "sys.py", "encodings.py", "new.py"], "/nowhere")
            self.assertNotIn("surely_loaded", sys.modules)
            self.assertNotIn("surely_loaded.part", sys.modules)
            self.assertIn("surely_other", sys.modules)
            self.assertIs(sys.modules["sys"], sys, "what Python has built in comes first")
            self.assertIs(modules.loaded("surely_loaded"), loaded["surely_loaded"], "the runner still finds it")
        finally:
            for name in loaded:
                sys.modules.pop(name, None)
                modules._former.pop(name, None)


class StreamsTest(unittest.TestCase):
    def test_names(self) -> None:
        for path, want in (
            ("/dev/stdin", 0), ("/dev/stderr", 2), ("/dev/fd/7", 7), ("/proc/self/fd/1", 1), (b"/dev/stdout", 1), ("/dev/fd/x", None),
            ("out.csv", None), (3, None), (None, None),
        ):  # fmt: skip
            with self.subTest(path=path):
                self.assertEqual(streams._descriptor(path), want)
        self.assertTrue(streams.named_in("open('/dev/stdin')"))
        self.assertFalse(streams.named_in("open('out')"))


if __name__ == "__main__":
    unittest.main()
