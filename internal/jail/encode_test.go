package jail

import (
	"os"
	"os/exec"
	"testing"
)

func needsPandas(t *testing.T) {
	if err := exec.Command("/usr/bin/python3", "-I", "-c", "import pandas").Run(); err != nil {
		t.Skip("python3 has no pandas")
	}
}

// TestColumns: 500 arrays, series and frames by columns are to the byte what they are cell by cell.
func TestColumns(t *testing.T) {
	needsPandas(t)
	script, err := os.ReadFile("testdata/columns.py")
	if err != nil {
		t.Fatal(err)
	}
	runPython(t, "import warnings\nwarnings.simplefilter('ignore')\n"+string(script))
}

// TestColumnsAreQuick: a frame returned takes no more than three times the CPU time of pandas' own JSON of it returned as text, which has
// ten digits of each float; cell by cell it is fifteen times.
func TestColumnsAreQuick(t *testing.T) {
	needsPandas(t)
	runPython(t, `
import time
import numpy as np, pandas as pd
from runner import encode
n = 20000
df = pd.DataFrame({"i": np.arange(n), "f": np.random.default_rng(1).random(n), "s": ["name %d" % i for i in range(n)],
                   "t": pd.date_range("2026-01-01", periods=n, freq="s")})
ways = {"returned": lambda: encode.dumps(df), "to_json": lambda: encode.dumps(df.to_json(orient="records"))}
best = {}
for _ in range(9):
    for way, run in ways.items():
        begun = time.thread_time()
        run()
        best[way] = min(best.get(way, 99), time.thread_time() - begun)
assert best["returned"] <= 3 * best["to_json"], best
`)
}

// TestClash: keys that are one in JSON are noticed wherever they are, and others are left alone.
func TestClash(t *testing.T) {
	runPython(t, `
import collections
from runner import encode, keys

class Own(dict):
    def items(self):
        return [("a", 1), ("a", 2)]

class Named(str): ...

for value in (
    {1: "a", "1": "b"}, {True: 1, "true": 2}, {None: 1, "null": 2}, {"x": {"{": "{"}, "y": {2.5: 1, "2.5": 2}}, [[({-1: 0, "-1": 1},)]],
    {"a": 1, "b": [{"c": {}}, {"d": {0: 1, "0": 2}}]}, collections.OrderedDict({1: 1, "1": 2}), Own(), [Own()],
    {Named("1"): 1, 1: 2}, {float("nan"): 1, "null": 2},
    {float("nan"): 1, float("inf"): 2}, {"{{{": {1: 1, "1": 1}},
):
    try:
        text = encode.dumps(value)
    except encode.Invalid as invalid:
        assert "the keys " in str(invalid) and "which are the same in JSON" in str(invalid), str(invalid)
    else:
        raise AssertionError("%r became %s" % (value, text))
for value, want in (
    ({1: 1, 2: {"1": 2}}, b'{"1":1,"2":{"1":2}}'), ({True: 1, 2: 3, None: 4, 1.5: 5}, b'{"true":1,"2":3,"null":4,"1.5":5}'),
    ({"1": 1, "true": 2, "{": {}}, b'{"1":1,"true":2,"{":{}}'), ([{}, {1: 1}, {"1": 1}], b'[{},{"1":1},{"1":1}]'),
    ({1: 1, "2": 2}, b'{"1":1,"2":2}'),
):
    assert encode.dumps(value) == want, encode.dumps(value)
assert keys.labels(["a", "a", "a.1", "a"]) == ["a", "a.1", "a.1.1", "a.2"], keys.labels(["a", "a", "a.1", "a"])
`)
}

// TestIterators: each is followed once, to its end or to the limit on a result, whichever comes first.
func TestIterators(t *testing.T) {
	runPython(t, `
import itertools
from runner import encode
seen = []

def count(to):
    for n in range(to):
        seen.append(n)
        yield n if n % 5000 else float("nan")

assert encode.dumps({"a": count(10000), "b": {1, 2}}) == encode.dumps({"a": [n if n % 5000 else None for n in range(10000)], "b": [1, 2]})
assert seen == list(range(10000))
encode.most = 100000
for endless in (itertools.count(), itertools.repeat({1j.real: "x"}), map(str, itertools.count()), {"a": [itertools.cycle([{3}])]}):
    try:
        encode.dumps(endless)
    except encode.TooLong as error:
        assert "100000 bytes" in str(error), error
    else:
        raise AssertionError("an end was found")
try:
    encode.dumps(1 / n for n in (1, 0))
except ZeroDivisionError:
    pass
else:
    raise AssertionError("what an iterator raises is lost")
for odd in (open("/dev/null"), (x for x in [1j]), type("T", (), {})()):
    try:
        encode.dumps([odd])
    except encode.Invalid as invalid:
        assert " at result[0]" in str(invalid), invalid
    else:
        raise AssertionError(odd)
`)
}

// TestHints: a wall's errors name it, in whatever they are wrapped, and nobody else's do.
func TestHints(t *testing.T) {
	runPython(t, `
import asyncio, errno, linecache
from runner import hints, report
hints.limits = {"threads": 7, "disk_mb": 3, "disk_files": 9, "open_files": 11}

def of(source):
    try:
        linecache.cache["script.py"] = (len(source), None, source.splitlines(True), "script.py")
        exec(compile(source, "script.py", "exec"), {})
    except BaseException as error:
        return hints.of(error, source)

for source, part in (
    ("open('/nowhere/at/all')", "working directory alone"), ("open('/etc/nothing')", ""), ("raise OSError(28, 'mine')", ""), ("raise PermissionError(1, 'mine')", ""),
    ("raise ConnectionRefusedError", ""),
    ("raise EOFError('EOF when reading a line')", ""), ("raise RuntimeError(\"can't start new thread\")", ""),
    ("exec(\"raise RuntimeError(\\\"can't start new thread\\\")\")", "have 7 threads beside"),
    ("import no_such_thing", "no_such_thing is not installed"), ("import jsonn", "did you mean json"), ("from json import nothing", ""),
    ("raise ModuleNotFoundError('mine')", ""), ("try:\n    import no_such_thing\nexcept ImportError:\n    {}['x']", ""),
    ("try:\n    import no_such_thing\nexcept ImportError as e:\n    raise ValueError from e", "not installed"),
    ("import socket\ntry:\n    raise socket.gaierror(-3, 'x')\nexcept OSError:\n    {}['x']", "no network"),
    ("import socket\ntry:\n    raise socket.gaierror(-3, 'x')\nexcept OSError:\n    raise ValueError from None", ""),
    ("import socket\nraise ExceptionGroup('all', [ValueError(), socket.gaierror(-3, 'x')])", "no network"),
    ("class Odd(Exception):\n    def __str__(self): raise self\nraise Odd", ""), ("class gaierror(Exception): ...\nraise ValueError", ""),
    ("python", "Markdown fence"), ("x = python", ""),
):
    got = of(source)
    assert part in got and bool(part) == bool(got), (source, got)
`)
}
