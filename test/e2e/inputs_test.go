package e2e

// inputs are the ways in which a request gives a program something.
var inputs = []program{
	{name: "args object", script: `
def main(a, b=2, *, c):
    return [a, b, c]
`, args: `{"a": 1, "c": {"deep": [null, true]}}`, result: `[1,2,{"deep":[null,true]}]`},
	{name: "args array", script: `
def main(a, /, b, *rest):
    return [a, b, rest]
`, args: `[1, "zwei", 3.5, []]`, result: `[1,"zwei",[3.5,[]]]`},
	{name: "args for anything", script: `
def main(*args, **kwargs):
    return [args, kwargs]
`, args: `{"x": 1, "ünï": 2}`, result: `[[],{"x":1,"ünï":2}]`},
	{name: "no args for anything", script: `
def main(*args, **kwargs):
    return [args, kwargs]
`, result: `[[],{}]`},
	{name: "empty args", script: `def main(): return 0`, args: `{}`, result: `0`},
	{name: "defaults", script: `
def main(n=5, *, verbose=False):
    return [n, verbose]
`, result: `[5,false]`},
	{name: "args keep big integers and small differences", script: `
def main(big, exact, zero, text):
    return [big + 1, exact, zero, text, len(text)]
`, args: `[123456789012345678901234567890, 0.1, -0.0, "\ud83d\ude00é"]`, result: `[123456789012345678901234567891,0.1,-0.0,"😀é",2]`},
	{name: "args with an integer of many digits", script: `
def main(n):
    return n % 1000
`, args: `[1` + zeros(6000) + `7]`, result: `7`},
	{name: "input", script: `
def main():
    return [input(), input("more? "), input()]
`, stdin: "one\ntwo\nthree", result: `["one","two","three"]`, stdout: "more? "},
	{name: "input at its end", script: `
def main():
    try:
        input()
    except EOFError as e:
        return str(e)
`, result: `"EOF when reading a line"`},
	{name: "stdin line by line", script: `
import fileinput

def main():
    return [int(line) for line in open(0)]
`, stdin: "1\n2\n3\n", result: `[1,2,3]`},
	{name: "stdin unread", script: `def main(): return 1`, stdin: zeros(300000), result: `1`},
	{name: "stdin large", script: `
def main():
    return len(open(0).read())
`, stdin: zeros(1 << 20), result: `1048576`},
	{name: "stdin in other letters", script: `def main(): return input()[::-1]`, stdin: "äöü 😀\n", result: `"😀 üöä"`},
	{name: "files", script: `
import csv, json
from pathlib import Path

def main():
    with open("data.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    return [rows, json.load(open("conf/deep/a.json")), Path("raw.bin").read_bytes(), sorted(str(p) for p in Path().rglob("*"))]
`, files: []file{
		{Path: "data.csv", Content: "a,b\n1,é\n"}, {Path: "conf/deep/a.json", Content: `{"k": [1]}`, Encoding: "utf-8"}, {Path: "raw.bin", Content: "AP/+", Encoding: "base64"},
	}, result: `[[{"a":"1","b":"é"}],{"k":[1]},"AP/+",["conf","conf/deep","conf/deep/a.json","data.csv","raw.bin"]]`},
	{name: "a module of one's own goes before Python's", script: `
import helper, json, fractions, statistics

def main():
    return [helper.N, json.dumps([1]), statistics.report(), fractions.half(8), float("nan")]
`, files: []file{
		{Path: "helper.py", Content: "N = 5"}, {Path: "json.py", Content: "def dumps(x):\n    return 'ours'\n"},
		{Path: "statistics.py", Content: "def report():\n    return 'ours'\n"}, {Path: "fractions.py", Content: "def half(n):\n    return n // 2\n"},
	}, result: `[5,"ours","ours",4,null]`},
	{name: "pandas reads a file", script: `
import pandas as pd

def main():
    return pd.read_csv("d.csv").groupby("k")["v"].sum()
`, files: []file{{Path: "d.csv", Content: "k,v\nx,1\ny,2\nx,3\n"}}, result: `{"x":4,"y":2}`},
	{name: "temporary files", script: `
import tempfile

def main():
    with tempfile.TemporaryDirectory() as d, open(d + "/x", "w+") as f:
        f.write("kept")
        f.seek(0)
        with tempfile.NamedTemporaryFile() as g:
            g.write(b"1")
        return f.read()
`, result: `"kept"`},
	{name: "sqlite", script: `
import sqlite3

def main():
    db = sqlite3.connect("t.db")
    with db:
        db.execute("create table t (a, b)")
        db.executemany("insert into t values (?, ?)", [(1, "x"), (2, "y")])
    return db.execute("select b, a * 2 from t order by a desc").fetchall()
`, result: `[["y",4],["x",2]]`},
	{name: "the clock and the place", script: `
import time, datetime, pathlib, getpass

def main():
    zone = datetime.datetime.now().astimezone().tzname()
    return [time.time() > 1.7e9, zone, str(pathlib.Path.cwd()), getpass.__name__]
`, result: `[true,"UTC","/tmp","getpass"]`},
	{name: "a byte order mark", script: "\ufeffdef main():\n    return 'bom'\n", result: `"bom"`},
	{name: "carriage returns", script: "def main():\r\n    x = 1\r\n    return x\r\n", result: `1`},
	{name: "tabs and form feeds", script: "def main():\n\tx = 'a\\tb'\n\f\n\treturn x\n", result: `"a\tb"`},
	{name: "no newline at the end", script: "def main():\n    return 1 # end", result: `1`},
	{name: "a coding line", script: "# -*- coding: latin-1 -*-\ndef main():\n    return 'é'\n", result: `"é"`},
}

func zeros(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '0'
	}
	return string(b)
}
