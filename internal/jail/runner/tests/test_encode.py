from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import itertools
import json
import pathlib
import types
import unittest
import uuid
from collections.abc import Iterator
from typing import Any

from runner import encode, keys


@dataclasses.dataclass
class Point:
    x: int
    y: Any


Pair = collections.namedtuple("Pair", "x y")


class Color(enum.Enum):
    RED = "red"
    DEEP = (1, 2)


class Text(str):
    def __str__(self) -> str:
        return "not what it is"


class EncodeTest(unittest.TestCase):
    def assertJSON(self, value: object, want: str) -> None:
        self.assertEqual(encode.dumps(value).decode(), want)
        json.loads(want)  # and JSON it is

    def refusal(self, value: object) -> str:
        with self.assertRaises(keys.Invalid) as raised:
            encode.dumps(value)
        return str(raised.exception)

    def test_plain(self) -> None:
        value: Any
        for value, want in (
            (None, "null"), (True, "true"), (12345678901234567890123, "12345678901234567890123"), (1.5, "1.5"), (1e22, "1e+22"),
            ("a\"\n\u00e4", '"a\\"\\n\u00e4"'), ([], "[]"), ({}, "{}"), ((1, "two", None), '[1,"two",null]'), ([[[1]]], "[[[1]]]"),
            ({"a": {"b": [1, 2]}}, '{"a":{"b":[1,2]}}'),
        ):  # fmt: skip
            with self.subTest(value=value):
                self.assertJSON(value, want)

    def test_no_numbers(self) -> None:
        nan, infinite = float("nan"), float("inf")
        self.assertJSON(nan, "null")
        self.assertJSON([nan, 1, -infinite], "[null,1,null]")
        self.assertJSON({"a": nan, "b": {"c": infinite}}, '{"a":null,"b":{"c":null}}')

    def test_lone_surrogates(self) -> None:
        self.assertEqual(encode.dumps("a\udc80"), b'"a\\udc80"')

    def test_other_types(self) -> None:
        for value, want in (
            (b"hi", '"aGk="'), (bytearray(b"hi"), '"aGk="'), (memoryview(b"hi"), '"aGk="'),
            (decimal.Decimal("0.10"), "0.10"), (decimal.Decimal("NaN"), "null"),
            (datetime.date(2026, 1, 2), '"2026-01-02"'), (datetime.time(3, 4), '"03:04:00"'),
            (datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), '"2026-01-02T00:00:00+00:00"'),
            (datetime.timedelta(minutes=1, milliseconds=500), "60.5"),
            (Point(1, [2]), '{"x":1,"y":[2]}'), (Color.RED, '"red"'), (Color.DEEP, "[1,2]"), (Text("kept"), '"kept"'),
            (uuid.UUID(int=5), '"00000000-0000-0000-0000-000000000005"'), (pathlib.PurePosixPath("a/b"), '"a/b"'),
            (ipaddress.ip_address("10.0.0.1"), '"10.0.0.1"'), (fractions.Fraction(1, 3), '"1/3"'),
            (types.SimpleNamespace(a=1), '{"a":1}'), (collections.UserDict(a=1), '{"a":1}'), (collections.UserString("x"), '"x"'),
            (collections.OrderedDict(b=1, a=2), '{"b":1,"a":2}'), (collections.Counter("aab"), '{"a":2,"b":1}'),
            (Pair(1, 2), "[1,2]"), (collections.deque([1, 2]), "[1,2]"),
        ):  # fmt: skip
            with self.subTest(value=value):
                self.assertJSON(value, want)

    def test_what_behaves_as_a_list(self) -> None:
        for value, want in (
            (range(3), "[0,1,2]"), ({"a": 1, "b": 2}.keys(), '["a","b"]'), ({"a": 1}.items(), '[["a",1]]'), (map(str, [1, 2]), '["1","2"]'),
            ((n * n for n in range(3)), "[0,1,4]"), (zip([1], "a"), '[[1,"a"]]'), (iter(()), "[]"),
        ):  # fmt: skip
            with self.subTest(want=want):
                self.assertJSON(value, want)

    def test_sets_are_sorted(self) -> None:
        self.assertJSON({3, 1, 2}, "[1,2,3]")
        self.assertJSON({"b", "a"}, '["a","b"]')
        self.assertJSON({1, "a"}, '["a",1]')  # by their JSON where values have no order
        self.assertJSON(frozenset([frozenset([1])]), "[[1]]")

    def test_keys(self) -> None:
        self.assertJSON({1: "a", None: "b", 2.5: "c", False: "d"}, '{"1":"a","null":"b","2.5":"c","false":"d"}')
        self.assertJSON({datetime.date(2026, 1, 2): 1, b"hi": 2, Color.RED: 3}, '{"2026-01-02":1,"aGk=":2,"red":3}')

    def test_keys_that_become_one(self) -> None:
        for value in ({1: "a", "1": "b"}, {"deep": [{None: 1, "null": 2}]}, {True: 1, "true": 2}):
            with self.subTest(value=value):
                self.assertIn("which are the same in JSON", self.refusal(value))
        self.assertIn("the keys 1 and '1'", self.refusal({1: "a", "1": "b"}))

    def test_where_it_is(self) -> None:
        want = "main() function must return valid JSON (got %s at result%s)"
        for value, found, where in (
            (object(), "object", ""),
            ({"rows": [1, {"f": len}]}, "builtin_function_or_method", "['rows'][1]['f']"),
            ([1j], "complex", "[0]"),
            (Point(1, object()), "object", "['y']"),
            ((each for each in [1, object()]), "object", "[1]"),
            ({object(): 1}, "object as a key", ""),
        ):
            with self.subTest(where=where):
                self.assertEqual(self.refusal(value), want % (found, where))

    def test_cycles_and_depth(self) -> None:
        cycle: list[Any] = [1]
        cycle.append(cycle)
        self.assertIn("a value that contains itself at result[1]", self.refusal(cycle))
        shared = [1]
        self.assertJSON([shared, shared], "[[1],[1]]")
        deep: Any = {1}  # a set, which json's own encoder refuses at every level
        for _ in range(encode.DEPTH - 1):
            deep = [deep]
        self.assertEqual(encode.dumps(deep).decode(), "[" * encode.DEPTH + "1" + "]" * encode.DEPTH)
        self.assertIn("more than %d levels of nesting" % encode.DEPTH, self.refusal([deep]))

    def test_an_iterator_without_end(self) -> None:
        kept, encode.most = encode.most, 10_000
        try:
            with self.assertRaises(encode.TooLong) as raised:
                encode.dumps(itertools.count())
        finally:
            encode.most = kept
        self.assertIn("10000 bytes", str(raised.exception))

    def test_groups_are_read_in_turn(self) -> None:
        self.assertEqual(encode.dumps(itertools.groupby([1, 1, 2])), b"[[1,[1,1]],[2,[2]]]")

    def test_what_an_iterator_raises_goes_through(self) -> None:
        def broken() -> Iterator[int]:
            yield 1
            raise KeyError("own")

        with self.assertRaises(KeyError):
            encode.dumps(broken())


if __name__ == "__main__":
    unittest.main()
