from __future__ import annotations

import datetime
import sys
import types
import unittest
from typing import Any

from runner import convert, modules


class ConvertTest(unittest.TestCase):
    def test_date(self) -> None:
        for text, want in (
            ("NaT", None), ("2026-01", "2026-01"), ("2026-01-02T03:04:05.000000", "2026-01-02T03:04:05"),
            ("2026-01-02T03:04:05.120000000", "2026-01-02T03:04:05.120000"),
            ("2026-01-02T03:04:05.123456789", "2026-01-02T03:04:05.123456789"),
        ):  # fmt: skip
            with self.subTest(text=text):
                self.assertEqual(convert.date(text), want)

    def test_unknown(self) -> None:
        for value in (object(), 1j, len, [1]):
            with self.subTest(value=value):
                self.assertIs(convert.scalar(value), convert.UNKNOWN)

    def test_plain_is_for_json_alone(self) -> None:
        self.assertEqual(convert.plain(datetime.date(2026, 1, 2)), "2026-01-02")
        for value in (object(), {1}, datetime):
            with self.subTest(value=value), self.assertRaises(TypeError):
                convert.plain(value)

    def test_a_script_may_have_a_numpy_of_its_own(self) -> None:
        kept = sys.modules.get("numpy")
        own: Any = types.ModuleType("numpy")
        sys.modules["numpy"] = own
        try:
            self.assertIsNone(convert.numpy())
            self.assertIs(convert.scalar(object()), convert.UNKNOWN)
            library: Any = types.ModuleType("numpy")
            modules._former["numpy"] = library
            library.ndarray = object
            self.assertIs(convert.numpy(), library)
        finally:
            modules._former.pop("numpy", None)
            del sys.modules["numpy"]
            if kept:
                sys.modules["numpy"] = kept


if __name__ == "__main__":
    unittest.main()
