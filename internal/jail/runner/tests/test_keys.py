from __future__ import annotations

import decimal
import enum
import unittest
from typing import Any

from runner import keys


class Kind(enum.Enum):
    A = 1


class KeysTest(unittest.TestCase):
    def test_key(self) -> None:
        for value, want in (
            ("a", "a"), (None, "null"), (True, "true"), (False, "false"), (12, "12"), (2.5, "2.5"), (float("nan"), "null"), (b"hi", "aGk="),
            (Kind.A, "1"), (decimal.Decimal("0.10"), "0.10"),
        ):  # fmt: skip
            with self.subTest(value=value):
                self.assertEqual(keys.key(value), want)
        with self.assertRaises(keys.Invalid):
            keys.key((1, 2))

    def test_labels(self) -> None:
        cases: tuple[tuple[list[Any], list[str]], ...] = (
            (["a", "b"], ["a", "b"]),
            (["a", "a", "b"], ["a", "a.1", "b"]),
            (["a", "a.1", "a"], ["a", "a.1", "a.2"]),
            ([1, "1"], ["1", "1.1"]),
            ([("a", 1), ("a", "")], ["a_1", "a"]),
        )
        for values, want in cases:
            with self.subTest(values=values):
                self.assertEqual(list(keys.labels(values)), want)
                self.assertEqual(len(set(want)), len(want), "no value is lost")

    def test_clash(self) -> None:
        for value, text, want in (
            ({"a": 1}, '{"a":1}', False),
            ({1: 1, "1": 2}, '{"1":1,"1":2}', True),
            ([[{"a": 1}], [{1: 2, 3: 4}]], '[[{"a":1}],[{"1":2,"3":4}]]', False),
            ({"a": ({None: 1, "null": 2},)}, '{"a":[{"null":1,"null":2}]}', True),
            ("{{{", '"{{{"', False),  # no dict, whatever its text looks like
        ):
            with self.subTest(text=text):
                self.assertEqual(keys.clash(value, text), want)

    def test_long_ways_are_cut(self) -> None:
        invalid = keys.Invalid("object")
        for n in range(100):
            invalid.within("[%d]" % n)
        text = str(invalid)
        self.assertIn("result[99][98]", text)
        self.assertIn("[...]", text)
        self.assertTrue(text.endswith("[1][0])"), text)

    def test_short(self) -> None:
        self.assertEqual(keys.short("a"), "'a'")
        self.assertLess(len(keys.short("a" * 1000)), 70)


if __name__ == "__main__":
    unittest.main()
