from __future__ import annotations

import importlib.util
import json
import unittest
from typing import Any

from runner import encode, keys

_THERE = all(importlib.util.find_spec(name) for name in ("numpy", "pandas"))


@unittest.skipUnless(_THERE, "numpy or pandas is not installed (Debian: apt-get install python3-numpy python3-pandas)")
class ColumnsTest(unittest.TestCase):
    def setUp(self) -> None:
        # Not imported above: the module must be there without them.
        self.np: Any = importlib.import_module("numpy")
        self.pd: Any = importlib.import_module("pandas")

    def assertJSON(self, value: object, want: str) -> None:
        self.assertEqual(encode.dumps(value).decode(), want)
        json.loads(want)

    def test_arrays(self) -> None:
        np = self.np
        for value, want in (
            (np.int64(7), "7"), (np.float32(0.5), "0.5"), (np.float64("nan"), "null"), (np.array([[1, 2], [3, 4]]), "[[1,2],[3,4]]"),
            (np.array([1.5, np.nan]), "[1.5,null]"), (np.array(3), "3"), (np.array([True, False]), "[true,false]"),
            (np.array([(1, 2.5)], dtype=[("a", int), ("b", float)]), '[{"a":1,"b":2.5}]'),
            (np.ma.array([1, 2], mask=[False, True]), "[1,null]"), (np.datetime64("2026-01-02T03:04"), '"2026-01-02T03:04"'),
            (np.timedelta64(1500, "ms"), "1.5"), (np.array(["2026-01-02", "NaT"], "M8[D]"), '["2026-01-02",null]'),
            (np.array(["a", None], object), '["a",null]'), (np.dtype("int64"), '"int64"'),
        ):  # fmt: skip
            with self.subTest(want=want):
                self.assertJSON(value, want)
        with self.assertRaises(keys.Invalid) as raised:
            encode.dumps({"a": np.array([1j])})
        self.assertIn("complex at result['a'][0]", str(raised.exception))

    def test_series(self) -> None:
        pd = self.pd
        for value, want in (
            (pd.Series([1, 2]), "[1,2]"), (pd.Series([1, None]), "[1.0,null]"), (pd.Series([1, 2], index=["a", "b"]), '{"a":1,"b":2}'),
            (pd.Series([1, 2, 3], index=["a", "a", "b"]), '{"a":1,"a.1":2,"b":3}'), (pd.Series([10, 20], index=[3, 5]), '{"3":10,"5":20}'),
            (pd.Series(["x", "y", "x"], dtype="category"), '["x","y","x"]'), (pd.Series([1, None], dtype="Int64"), "[1,null]"),
            (pd.Series([], dtype=float), "[]"), (pd.Index([1, 2]), "[1,2]"), (pd.Categorical(["a", "b"]), '["a","b"]'),
            (pd.Series([1], index=pd.to_datetime(["2026-01-02"])), '{"2026-01-02T00:00:00":1}'),
        ):  # fmt: skip
            with self.subTest(want=want):
                self.assertJSON(value, want)

    def test_frames(self) -> None:
        pd = self.pd
        frame = pd.DataFrame({"A": [1, 2], "B": ["x", None]})
        for value, want in (
            (frame, '[{"A":1,"B":"x"},{"A":2,"B":null}]'),
            (pd.DataFrame({"A": [1, 2]}, index=["r", "s"]), '[{"index":"r","A":1},{"index":"s","A":2}]'),
            (pd.DataFrame({"A": [1, 2, 3]}).query("A > 1"), '[{"A":2},{"A":3}]'),
            (pd.DataFrame({"k": ["x", "x", "y"], "v": [1, 2, 3]}).groupby("k").sum(), '[{"k":"x","v":3},{"k":"y","v":3}]'),
            (pd.DataFrame({"A": []}), "[]"), (pd.DataFrame([[1, 2]], columns=["a", "a"]), '[{"a":1,"a.1":2}]'),
            ({"frame": frame.head(1)}, '{"frame":[{"A":1,"B":"x"}]}'),
        ):  # fmt: skip
            with self.subTest(want=want):
                self.assertJSON(value, want)
        with self.assertRaises(keys.Invalid) as raised:
            encode.dumps(pd.DataFrame({"A": [1, object()]}))
        self.assertIn("object at result[1]['A']", str(raised.exception))

    def test_more_rows_than_a_block(self) -> None:
        count = 10_000
        frame = self.pd.DataFrame({"n": range(count), "x": [n / 2 for n in range(count)], "s": ["%d" % n for n in range(count)]})
        self.assertEqual(json.loads(encode.dumps(frame)), [{"n": n, "x": n / 2, "s": "%d" % n} for n in range(count)])
        series = frame.set_index("s")["n"]
        self.assertEqual(json.loads(encode.dumps(series)), {"%d" % n: n for n in range(count)})

    def test_dates_are_what_isoformat_says(self) -> None:
        pd = self.pd
        for name, dates in (
            ("seconds", pd.to_datetime(["2026-01-02 03:04:05", "1969-12-31 23:59:59", None])),
            ("microseconds", pd.to_datetime(["2026-01-02 03:04:05.000120", "2026-01-02"])),
            ("nanoseconds", pd.to_datetime(["2026-01-02 03:04:05.000120003", "2026-01-02 03:04:05.5"])),
            ("zone", pd.to_datetime(["2026-01-02 03:04:05", "2026-07-02", None]).tz_localize("Europe/Berlin")),
            ("zone of seconds", pd.to_datetime(["1890-01-01"]).tz_localize("Europe/Berlin")),
        ):
            with self.subTest(name):
                want = [None if pd.isna(d) else d.isoformat() for d in dates]
                self.assertEqual(json.loads(encode.dumps(pd.Series(dates))), want)
                self.assertEqual(json.loads(encode.dumps(pd.DataFrame({"d": dates}))), [{"d": d} for d in want])


if __name__ == "__main__":
    unittest.main()
