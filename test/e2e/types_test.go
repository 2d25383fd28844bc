package e2e

import "strconv"

// types are results of every type that has a JSON.
var types = []program{
	{name: "plain", script: `
def main():
    return {"none": None, "true": True, "int": -7, "float": 1.0, "str": "s", "list": [], "dict": {}, "tuple": (1, (2,))}
`, result: `{"none":null,"true":true,"int":-7,"float":1.0,"str":"s","list":[],"dict":{},"tuple":[1,[2]]}`},
	{name: "string at the top", script: `def main(): return "top"`, result: `"top"`},
	{name: "false and zero", script: `def main(): return [False, 0, 0.0, -0.0, "", None]`, result: `[false,0,0.0,-0.0,"",null]`},
	{name: "floats", script: `def main(): return [1e308, 5e-324, 0.1, 1e16, 1e-7, 123456789.123456789, -1.5e300, 1e22, 2.0**60]`, result: `[1e+308,5e-324,0.1,1e+16,1e-07,123456789.12345679,-1.5e+300,1e+22,1.152921504606847e+18]`},
	{name: "big integers", script: `def main(): return [2**64, -2**63, 10**40]`, result: `[18446744073709551616,-9223372036854775808,10000000000000000000000000000000000000000]`},
	{name: "an integer of 30,103 digits", script: `
def main():
    n = 2 ** 100000
    print(len(str(n)))
    return n == int(str(n)), {"n": 10 ** 5000}
`, result: `[true,{"n":1` + zeros(5000) + `}]`, stdout: "30103\n"},
	{name: "NaN and infinities", script: `
nan, inf = float("nan"), float("inf")

def main():
    return {"a": nan, "b": [inf, -inf, 1.5], "c": {"d": (nan,)}, "e": {nan}, "f": "NaN"}
`, result: `{"a":null,"b":[null,null,1.5],"c":{"d":[null]},"e":[null],"f":"NaN"}`},
	{name: "NaN at the top", script: `def main(): return float("nan")`, result: `null`},
	{name: "keys", script: `
import datetime, decimal, enum

class Color(enum.Enum):
    RED = "red"

def main():
    return {"s": 1, 2: 2, 2.5: 3, True: 4, None: 5, datetime.date(2024, 1, 2): 7, decimal.Decimal("1.10"): 8, Color.RED: 9, b"ab": 10, -0.0: 11, 10**30: 12}
`, result: `{"s":1,"2":2,"2.5":3,"true":4,"null":5,"2024-01-02":7,"1.10":8,"red":9,"YWI=":10,"-0.0":11,"1000000000000000000000000000000":12}`},
	{name: "lone surrogates", script: `
def main():
    print("\ud800 printed")
    return {"\udfff": ["\ud83d", "ok \ud83d\ude00", "a\udc80b"]}
`, result: `{"\udfff":["\ud83d","ok \ud83d\ude00","a\udc80b"]}`, stdout: `\ud800 printed` + "\n"},
	{name: "other letters", script: `
def main():
    print("Grüße, 世界 🐍")
    return {"naïve": "日本語", "emoji": "👩‍👩‍👧", "rtl": "שלום", "zalgo": "z\u0351"}
`, result: `{"naïve":"日本語","emoji":"👩‍👩‍👧","rtl":"שלום","zalgo":"z͑"}`, stdout: "Grüße, 世界 🐍\n"},
	{name: "dates and times", script: `
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

def main():
    return [date(2024, 2, 29), datetime(2024, 1, 2, 3, 4, 5), datetime(2024, 1, 2, 3, 4, 5, 678), time(23, 59), time(1, 2, 3, 4),
            datetime(2024, 7, 1, tzinfo=timezone.utc), datetime(2024, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")),
            timedelta(days=1, seconds=2), timedelta(microseconds=1), -timedelta(hours=1), datetime.min, datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))]
`, result: `["2024-02-29","2024-01-02T03:04:05","2024-01-02T03:04:05.000678","23:59:00","01:02:03.000004","2024-07-01T00:00:00+00:00","2024-07-01T00:00:00+02:00",86402.0,1e-06,-3600.0,"0001-01-01T00:00:00","2024-01-01T00:00:00-05:30"]`},
	{name: "decimals", script: `
from decimal import Decimal

def main():
    return [Decimal("1.10"), Decimal("0.1") + Decimal("0.2"), Decimal("1E+3"), Decimal("-0"), Decimal("NaN"), Decimal("-Infinity"), Decimal("12345678901234567890.123456789")]
`, result: `[1.10,0.3,1E+3,-0,null,null,12345678901234567890.123456789]`},
	{name: "sets", script: `
def main():
    return [{3, 1, 2}, frozenset("cab"), set(), {1.5, float("inf")}, {(2, 1), (1, 2)}, {"b", 1, None}, {frozenset([2, 1]), frozenset([3])}]
`, result: `[[1,2,3],["a","b","c"],[],[1.5,null],[[1,2],[2,1]],["b",1,null],[[1,2],[3]]]`},
	{name: "bytes", script: `def main(): return [b"hello", bytearray(b"\x00\xff"), memoryview(b"mv"), b"", {"k": b"\xfb\xff"}]`, result: `["aGVsbG8=","AP8=","bXY=","",{"k":"+/8="}]`},
	{name: "dataclasses", script: `
from dataclasses import dataclass, field, KW_ONLY
from datetime import date

@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float = float("nan")

@dataclass
class Line:
    points: list[Point]
    _: KW_ONLY
    name: str | None = None
    made: date = date(2024, 1, 1)
    tags: set = field(default_factory=set)

def main():
    return {"line": Line([Point(1, 2), Point(3)], tags={"b", "a"}), "point": Point(0)}
`, result: `{"line":{"points":[{"x":1,"y":2},{"x":3,"y":null}],"name":null,"made":"2024-01-01","tags":["a","b"]},"point":{"x":0,"y":null}}`},
	{name: "enums", script: `
import enum

class Color(enum.Enum):
    RED = 1
    GREEN = (2, "x")

class Level(enum.IntEnum):
    LOW = 10

class Name(str, enum.Enum):
    A = "a"

class Perm(enum.Flag):
    R = 4
    W = 2

def main():
    return [Color.RED, Color.GREEN, Level.LOW, Name.A, Perm.R | Perm.W, {"c": Color.RED}]
`, result: `[1,[2,"x"],10,"a",6,{"c":1}]`},
	{name: "named tuples and subclasses", script: `
import collections
Point = collections.namedtuple("Point", "x y")

class Text(str):
    def __repr__(self):
        return "no"

class Number(int):
    def __repr__(self):
        return "no"
    __str__ = __repr__

class Real(float):
    __repr__ = __str__ = lambda self: "no"

class Table(dict): ...
class Row(list): ...

def main():
    return [Point(1, 2), Text("t"), Number(5), Real(1.5), Table(a=Row([1])), {Number(7): Text("k"), Text("x"): Real("nan")}]
`, result: `[[1,2],"t",5,1.5,{"a":[1]},{"7":"k","x":null}]`},
	{name: "shared but not circular", script: `
def main():
    shared = [1, {"a": float("nan")}]
    return [shared, shared, {"again": shared}]
`, result: `[[1,{"a":null}],[1,{"a":null}],{"again":[1,{"a":null}]}]`},
	{name: "nested 500 deep", script: `
def main():
    v = 1
    for _ in range(500):
        v = [v]
    return v
`, result: repeated("[", 500) + "1" + repeated("]", 500)},
	{name: "nested 1000 deep", script: `
def main():
    v = float("inf")
    for _ in range(500):
        v = {"a": [v]}
    return v
`, result: repeated(`{"a":[`, 500) + "null" + repeated(`]}`, 500)},
	{name: "large", script: `def main(): return {"s": "x" * 1000000, "l": list(range(3))}`, result: `{"s":"` + repeated("x", 1000000) + `","l":[0,1,2]}`},
	{name: "order is kept", script: `def main(): return {"z": 1, "a": 2, "m": {"y": 1, "b": 2}}`, result: `{"z":1,"a":2,"m":{"y":1,"b":2}}`},
	{name: "what behaves as a list", script: `
import array, collections, itertools

def count():
    yield 1
    yield {"two": 2}

def main():
    d = {"a": 1, "b": 2}
    return [d.keys(), d.values(), d.items(), range(3), collections.deque([7, 8]), map(str, [1]), zip("ab", [1, 2]), filter(None, [0, 1]), count(), enumerate("x"),
            reversed([1, 2]), itertools.islice(itertools.count(), 2), array.array("d", [1.5]), collections.UserList([1]), (n * n for n in [2])]
`, result: `[["a","b"],[1,2],[["a",1],["b",2]],[0,1,2],[7,8],["1"],[["a",1],["b",2]],[1],[1,{"two":2}],[[0,"x"]],[2,1],[0,1],[1.5],[1],[4]]`},
	{name: "a generator as main", script: "def main():\n    for n in range(10000):\n        yield n\n", result: tenThousand()},
	{name: "what behaves as a dict", script: `
import collections, types

def main():
    return [collections.UserDict(a=1), types.MappingProxyType({"b": 2}), collections.ChainMap({"c": 3}, {"d": 4}), types.SimpleNamespace(e=5),
            collections.Counter("aab"), collections.OrderedDict(f=6), collections.defaultdict(list, g=[7])]
`, result: `[{"a":1},{"b":2},{"d":4,"c":3},{"e":5},{"a":2,"b":1},{"f":6},{"g":[7]}]`},
	{name: "texts", script: `
import collections, ipaddress, pathlib, uuid
from fractions import Fraction

def main():
    return {"id": uuid.UUID(int=5), "path": pathlib.Path("out/a.csv"), "ip": [ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_address("::1")],
            "third": Fraction(1, 3), "text": collections.UserString("u"), uuid.UUID(int=1): {pathlib.PurePosixPath("a"): Fraction(4, 2)}}
`, result: `{"id":"00000000-0000-0000-0000-000000000005","path":"out/a.csv","ip":["10.0.0.1","10.0.0.0/8","::1"],"third":"1/3","text":"u",` +
		`"00000000-0000-0000-0000-000000000001":{"a":"2"}}`},
	{name: "named tuples in containers", script: `
from typing import NamedTuple

class Point(NamedTuple):
    x: int
    y: float

def main():
    return {"points": [Point(1, 2.5), Point(3, float("nan"))], "by": {1: Point(0, 0.5), 2: "x"}}
`, result: `{"points":[[1,2.5],[3,null]],"by":{"1":[0,0.5],"2":"x"}}`},
}

func tenThousand() string {
	list := []byte("[0")
	for n := int64(1); n < 10000; n++ {
		list = strconv.AppendInt(append(list, ','), n, 10)
	}
	return string(append(list, ']'))
}
