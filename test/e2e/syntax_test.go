package e2e

// syntax is Python's, corner by corner.
var syntax = []program{
	{name: "closures and nonlocal", script: `
def counter():
    n = 0
    def up(by=1):
        nonlocal n
        n += by
        return n
    return up

def main():
    up = counter()
    return [up(), up(5), up()]
`, result: `[1,6,7]`},
	{name: "generators", script: `
def fibonacci():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, a + b

def chain(*its):
    for it in its:
        yield from it

def main():
    import itertools
    return list(itertools.islice(chain("ab", fibonacci()), 8))
`, result: `["a","b",0,1,1,2,3,5]`},
	{name: "generator send, throw and close", script: `
def echo():
    try:
        got = yield "ready"
        while True:
            try:
                got = yield got * 2
            except ValueError as e:
                got = str(e)
    finally:
        print("closed")

def main():
    g = echo()
    out = [next(g), g.send(2), g.throw(ValueError("v")), g.send("ab")]
    g.close()
    return out
`, result: `["ready",4,"vv","abab"]`, stdout: "closed\n"},
	{name: "match", script: `
from dataclasses import dataclass

@dataclass
class Point:
    x: int
    y: int

def kind(v):
    match v:
        case 0 | 1:
            return "bit"
        case int(n) if n < 0:
            return "negative"
        case [first, *rest]:
            return f"{first}+{len(rest)}"
        case {"type": t, **other}:
            return [t, other]
        case Point(x=0, y=y):
            return f"on y at {y}"
        case Point(x, y):
            return x + y
        case None:
            return None
        case _:
            return "else"

def main():
    return [kind(v) for v in (1, -3, [1, 2, 3], {"type": "a", "z": 1}, Point(0, 5), Point(1, 2), None, "s")]
`, result: `["bit","negative","1+2",["a",{"z":1}],"on y at 5",3,null,"else"]`},
	{name: "walrus and comprehensions", script: `
def main():
    if (n := len("abc")) > 2:
        pairs = {k: v for k, v in zip("abc", range(n)) if (twice := v * 2) > 0}
    return [n, pairs, twice, [[j for j in range(i)] for i in range(3)], sorted({i % 3 for i in range(9)})]
`, result: `[3,{"b":1,"c":2},4,[[],[0],[0,1]],[0,1,2]]`},
	{name: "positional only, keyword only, unpacking", script: `
def f(a, /, b, *args, c=3, **kw):
    return [a, b, args, c, kw]

def main():
    first, *middle, last = range(5)
    return [f(1, *[2, 3], c=4, **{"d": 5}), first, middle, last, {**{"x": 1}, "y": 2}, [*"ab", *(1,)]]
`, result: `[[1,2,[3],4,{"d":5}],0,[1,2,3],4,{"x":1,"y":2},["a","b",1]]`},
	{name: "classes", script: `
from abc import ABC, abstractmethod
from functools import cached_property, total_ordering

class Shape(ABC):
    registry = []
    def __init_subclass__(cls, **kw):
        Shape.registry.append(cls.__name__)
    @abstractmethod
    def area(self): ...

@total_ordering
class Square(Shape):
    def __init__(self, side):
        self.side = side
    @cached_property
    def area(self):
        return self.side ** 2
    def __eq__(self, other):
        return self.side == other.side
    def __lt__(self, other):
        return self.side < other.side
    def __repr__(self):
        return f"Square({self.side!r})"

def main():
    try:
        Shape()
    except TypeError as e:
        kind = type(e).__name__
    return [Shape.registry, Square(3).area, Square(1) <= Square(2), repr(max(Square(1), Square(4))), kind]
`, result: `[["Square"],9,true,"Square(4)","TypeError"]`},
	{name: "metaclass, descriptor and context manager", script: `
from contextlib import contextmanager, ExitStack, suppress

class Meta(type):
    def __new__(mcls, name, bases, ns):
        ns["tag"] = name.lower()
        return super().__new__(mcls, name, bases, ns)

class Positive:
    def __set_name__(self, owner, name):
        self.name = "_" + name
    def __get__(self, obj, owner):
        return getattr(obj, self.name)
    def __set__(self, obj, value):
        if value < 0:
            raise ValueError(value)
        setattr(obj, self.name, value)

class Account(metaclass=Meta):
    balance = Positive()

@contextmanager
def section(name):
    print("<", name)
    try:
        yield name
    finally:
        print(">", name)

def main():
    a = Account()
    a.balance = 5
    with suppress(ValueError), section("out"), ExitStack() as stack:
        stack.enter_context(section("in"))
        a.balance = -1
    return [Account.tag, a.balance]
`, result: `["account",5]`, stdout: "< out\n< in\n> in\n> out\n"},
	{name: "exceptions", script: `
def main():
    log = []
    try:
        try:
            raise KeyError("k")
        except KeyError as e:
            raise ValueError("v") from e
        else:
            log.append("else")
        finally:
            log.append("finally")
    except ValueError as e:
        log.append(repr(e.__cause__))
    try:
        raise ExceptionGroup("many", [TypeError(1), OSError(2), ValueError(3)])
    except* (TypeError, ValueError) as group:
        log.append(len(group.exceptions))
    except* OSError as group:
        log.append("os")
    return log
`, result: `["finally","KeyError('k')",2,"os"]`},
	{name: "f-strings", script: `
import datetime, decimal

def main():
    name, value, width = "é", 3.14159, 10
    return [f"{name!a}", f"{value:.2f}", f"{value:>{width}.1f}|", f"{1_000_000:,}", f"{255:#x} {255:08b}", f"{name=}",
            f"{datetime.date(2024, 2, 29):%d.%m.%Y}", f"{{}}", f"{decimal.Decimal('1.50'):f}", rf"\d{1}", f'{"nested"!r:>10}']
`, result: `["'\\xe9'","3.14","       3.1|","1,000,000","0xff 11111111","name='é'","29.02.2024","{}","1.50","\\d1","  'nested'"]`},
	{name: "operators", script: `
def main():
    a = [1, 2, 3]
    b = a
    a += [4]
    del a[0]
    return [b, 7 // -2, 7 % -2, -7 // 2, 2 ** -1, 1 < 2 < 3, not 0, 5 & 3 | 8 ^ 1, ~5, 1 << 70, a[::-1], a[-1], "x" * 3, 0.1 + 0.2, 10 / 4, round(2.5), round(3.5), divmod(17, 5), 1 if a else 2, None is None]
`, result: `[[2,3,4],-4,-1,-4,0.5,true,true,9,-6,1180591620717411303424,[4,3,2],4,"xxx",0.30000000000000004,2.5,2,4,[3,2],1,true]`},
	{name: "loops with else", script: `
def main():
    out = []
    for n in range(2, 12):
        for d in range(2, n):
            if n % d == 0:
                break
        else:
            out.append(n)
    while out:
        out.pop() if len(out) > 3 else None
        if len(out) == 3:
            break
    else:
        out = None
    return out
`, result: `[2,3,5]`},
	{name: "typing", script: `
from __future__ import annotations
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypedDict, TypeVar, get_type_hints, overload

T = TypeVar("T")

class Movie(TypedDict, total=False):
    title: str
    year: int

class Pair(NamedTuple):
    left: int
    right: str = "r"

class Stack(Generic[T]):
    def __init__(self) -> None:
        self.items: list[T] = []
    def push(self, item: T) -> Stack[T]:
        self.items.append(item)
        return self

def f(x: int | None, mode: Literal["a", "b"] = "a") -> dict[str, Any]: ...

def main() -> list:
    return [Movie(title="m", year=1), Pair(1), Stack[int]().push(1).items, sorted(get_type_hints(f)), Pair._fields]
`, result: `[{"title":"m","year":1},[1,"r"],[1],["mode","return","x"],["left","right"]]`},
	{name: "async iterators and context managers", script: `
import asyncio

class Ticker:
    def __init__(self, n):
        self.n = n
    def __aiter__(self):
        return self
    async def __anext__(self):
        if self.n == 0:
            raise StopAsyncIteration
        self.n -= 1
        await asyncio.sleep(0)
        return self.n
    async def __aenter__(self):
        return self
    async def __aexit__(self, *exc):
        print("left")

async def main():
    async with Ticker(3) as ticks:
        out = [t async for t in ticks]
    return out, {k: v async for k, v in pairs()}

async def pairs():
    yield "a", 1
    yield "b", await asyncio.sleep(0, 2)
`, result: `[[2,1,0],{"a":1,"b":2}]`, stdout: "left\n"},
	{name: "scopes", script: `
x = "global"

class C:
    x = "class"
    y = [x for _ in range(1)]
    def get(self):
        return x

def main():
    x = "local"
    return [C().get(), C.y, x, (lambda x: x)("argument"), globals()["x"]]
`, result: `["global",["global"],"local","argument","global"]`},
	{name: "names in other scripts", script: `
größe = 3
变量 = größe * 2

def main():
    π = 3.14
    return {"größe": größe, "变量": 变量, "π": π}
`, result: `{"größe":3,"变量":6,"π":3.14}`},
	{name: "strings", script: `
def main():
    return ["tab\tnl\n", r"\n", b"\x00\xff", "\N{SNOWMAN}", "é" == "e\u0301", "ß".upper(), "İ".lower(), 'a' 'b', """x
y""", "</script> & <b>", "\u2028\u2029", "\x00\x1f\x7f"]
`, result: "[\"tab\\tnl\\n\",\"\\\\n\",\"AP8=\",\"☃\",false,\"SS\",\"i̇\",\"ab\",\"x\\ny\",\"</script> & <b>\",\"\u2028\u2029\",\"\\u0000\\u001f\x7f\"]"},
	{name: "global statements and top-level work", script: `
import math
TOTAL = 0
for i in range(5):
    TOTAL += i
print("at import")

def main():
    global TOTAL
    TOTAL += 1
    return TOTAL, math.isqrt(TOTAL)
`, result: `[11,3]`, stdout: "at import\n"},
	{name: "the standard library", script: `
import collections, heapq, itertools, functools, operator, statistics, string, textwrap, re, json, hashlib, base64, zlib, random, bisect, fractions, cmath, struct, difflib, html, urllib.parse, calendar, uuid, copy, array, queue, contextvars, unicodedata, secrets, graphlib, ipaddress, xml.etree.ElementTree as ET, io, gzip, zipfile, pprint, locale, shlex, types, weakref, numbers, colorsys, ast

def main():
    random.seed(7)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        z.writestr("a", "b")
    return {
        "counter": collections.Counter("abca").most_common(1), "heap": heapq.nsmallest(2, [3, 1, 2]),
        "sha": hashlib.sha256(b"x").hexdigest()[:8], "zip": zlib.decompress(zlib.compress(b"zz")).decode(),
        "re": re.findall(r"(\w)(\d)", "a1 b2"), "median": statistics.median([1, 5, 2]), "fraction": str(fractions.Fraction(3, 6)),
        "struct": struct.unpack("<h", b"\x01\x02")[0], "url": urllib.parse.quote("a b/é"), "ip": str(ipaddress.ip_address("10.0.0.1") + 1),
        "xml": ET.fromstring("<a><b>t</b></a>").findtext("b"), "topo": list(graphlib.TopologicalSorter({"b": {"a"}}).static_order()),
        "random": random.randint(1, 100), "unpacked": zipfile.ZipFile(buffer).read("a").decode(), "deque": list(collections.deque([1, 2, 3], 2)),
        "default": collections.defaultdict(list, a=[1]), "ordered": collections.OrderedDict(b=1, a=2), "chain": dict(collections.ChainMap({"a": 1}, {"b": 2})),
        "literal": ast.literal_eval("{'a': (1, 2)}"), "gz": gzip.decompress(gzip.compress(b"g")).decode(), "split": shlex.split("a 'b c'"),
    }
`, result: `{"counter":[["a",2]],"heap":[1,2],"sha":"2d711642","zip":"zz","re":[["a","1"],["b","2"]],"median":2,"fraction":"1/2","struct":513,"url":"a%20b/%C3%A9","ip":"10.0.0.2","xml":"t","topo":["a","b"],"random":42,"unpacked":"b","deque":[2,3],"default":{"a":[1]},"ordered":{"b":1,"a":2},"chain":{"b":2,"a":1},"literal":{"a":[1,2]},"gz":"g","split":["a","b c"]}`},
	{name: "threads and executors", script: `
import threading, queue
from concurrent.futures import ThreadPoolExecutor

def main():
    lock, total = threading.Lock(), []
    def work(n):
        with lock:
            total.append(n)
        return n * n
    with ThreadPoolExecutor(4) as pool:
        squares = list(pool.map(work, range(8)))
    t = threading.Thread(target=work, args=(99,))
    t.start()
    t.join()
    return [squares, sorted(total), threading.local().__class__.__name__]
`, result: `[[0,1,4,9,16,25,36,49],[0,1,2,3,4,5,6,7,99],"_local"]`},
	{name: "deep recursion within bounds", script: `
import functools

@functools.cache
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)

def main():
    try:
        (lambda f: f(f))(lambda f: f(f))
    except RecursionError:
        return depth(300)
`, result: `300`},
	{name: "code that looks dangerous", script: `
# import os, sys; eval("1"); exec("2")
import numpy, pandas as pd
from posixpath import join
osmosis, system, evaluate = 1, 2, 3

class Engine:
    os = "attribute"
    def eval(self, text):
        return text + " evaluated"
    exec = eval

def sys_info(os="parameter", sys=None):
    """import subprocess"""
    return os

def main():
    df = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    return [df.eval("a + b").tolist(), df.query("a > 1").b.tolist(), Engine().exec("x"), Engine.os, sys_info(), "import os", {"sys": 1, "subprocess": "eval(1)"}, join("a", "b")]
`, result: `[[4,6],[4],"x evaluated","attribute","parameter","import os",{"sys":1,"subprocess":"eval(1)"},"a/b"]`},
	{name: "own functions of dangerous names", script: `
from ast import literal_eval as eval

def exec(plan):
    return [eval(step) for step in plan]

def main():
    return exec(["1", "[2]"])
`, result: `[1,[2]]`},
	{name: "monkey patching and introspection", script: `
import inspect, builtins, types

def f(a: int, *, b="x") -> str:
    "documented"
    return b

def main():
    module = types.ModuleType("m", "doc")
    module.f = f
    return [str(inspect.signature(f)), inspect.getsource(f).splitlines()[0], f.__doc__, module.f(1), callable(builtins.len), f.__qualname__]
`, result: `["(a: int, *, b='x') -> str","def f(a: int, *, b=\"x\") -> str:","documented","x",true,"f"]`},
}
