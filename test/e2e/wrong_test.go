package e2e

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

func digits(n int64) string { return strconv.FormatInt(n, 10) }

// mistake is a script that cannot be right, or fails, and what its author is told.
type mistake struct {
	name, script string
	args         string
	files        []file
	status       int
	code, kind   string
	// message is the whole sentence, or its beginning where it ends in "...".
	message string
	line    int
	// traceback is the whole of it where it is not empty; frames are parts that it holds, in order, and no other file's name.
	traceback string
	frames    []string
	stdout    string
}

func (w mistake) test(t *testing.T, c *client) {
	needsLibraries(t, w.script)
	r := request{Script: source(w.script), Files: w.files}
	if w.args != "" {
		r.Args = json.RawMessage(w.args)
	}
	f := c.execute(t, r).failed(t, w.status)
	if f.Code != w.code || f.Type != w.kind || f.Line != w.line {
		t.Errorf("got code %q, type %q, line %d; want %q, %q, %d: %s", f.Code, f.Type, f.Line, w.code, w.kind, w.line, f.Error)
	}
	if start, open := strings.CutSuffix(w.message, "..."); f.Error != w.message && !(open && strings.HasPrefix(f.Error, start)) {
		t.Errorf("error\n got %s\nwant %s", f.Error, w.message)
	}
	if lines := strings.Split(r.Script, "\n"); f.Line > 0 && f.SourceLine != first(500, strings.TrimSpace(lines[f.Line-1])) {
		t.Errorf("source_line is %q for line %d", f.SourceLine, f.Line)
	}
	if w.traceback != "" && f.Traceback != source(w.traceback) {
		t.Errorf("traceback\n got %s\nwant %s", f.Traceback, source(w.traceback))
	}
	at := 0
	for _, part := range w.frames {
		next := strings.Index(f.Traceback[at:], part)
		if next < 0 {
			t.Errorf("no %q after the others in traceback\n%s", part, f.Traceback)
			break
		}
		at += next
	}
	for _, foreign := range []string{"/usr/", "<runner", "/tmp", "frozen"} {
		if strings.Contains(f.Traceback, foreign) {
			t.Errorf("%q in traceback\n%s", foreign, f.Traceback)
		}
	}
	if f.Stdout != w.stdout {
		t.Errorf("stdout %q, want %q", f.Stdout, w.stdout)
	}
}

func first(n int, s string) string { return s[:min(n, len(s))] }

const noMain = "Script must contain a main() function"

var wrong = concat(unparsable, mainless, dangerous, unwritable, exceptions, walled)

func concat(tables ...[]mistake) (all []mistake) {
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

// unparsable: syntax errors. Their sentences are Python's own, and differ between its versions: only the sure part is compared.
var unparsable = []mistake{
	{name: "missing colon", script: `
def main()
    return 1
`, status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 1: expected ':'", line: 1,
		frames: []string{"  File \"script.py\", line 1\n    def main()\n", "SyntaxError: expected ':'\n"}},
	{name: "invalid syntax further down", script: `
def main():
    x = 1
    return x +
`, status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 3: invalid syntax", line: 3},
	{name: "indentation", script: `
def main():
return 1
`, status: 400, code: "syntax_error", kind: "IndentationError", message: "Syntax error on line 2: expected an indented block after function definition on line 1", line: 2},
	{name: "unindent", script: `
def main():
        x = 1
    return x
`, status: 400, code: "syntax_error", kind: "IndentationError", message: "Syntax error on line 3: unindent does not match any outer indentation level", line: 3},
	{name: "tabs and spaces", script: "def main():\n    if 1:\n\treturn 1\n", status: 400, code: "syntax_error", kind: "TabError", message: "Syntax error on line 3: inconsistent use of tabs and spaces in indentation", line: 3},
	{name: "unterminated string", script: `
def main():
    return "abc
`, status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 2: unterminated string literal...", line: 2},
	{name: "unterminated triple quote", script: `
x = 1
y = """abc
def main():
    return 1
`, status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 2: unterminated triple-quoted string literal...", line: 2},
	{name: "bracket never closed", script: `
def main():
    return [1, (2
`, status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 2: '(' was never closed", line: 2},
	{name: "return outside", script: `return 1`, status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 1: 'return' outside function", line: 1},
	{name: "python 2", script: `
def main():
    print "hello"
`, status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 2: Missing parentheses in call to 'print'. Did you mean print(...)?", line: 2},
	{name: "no character of Python's", script: `
def main():
    return “quoted”
`, status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 2: invalid character '“' (U+201C); quotation marks are \" or ' in Python, not typographic ones", line: 2},
	{name: "too many brackets", script: "x = " + repeated("(", 300) + repeated(")", 300), status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 1: too many nested parentheses", line: 1},
	{name: "too deep for the compiler", script: "x = 1" + repeated("+1", 100000), status: 400, code: "syntax_error", kind: "RecursionError", message: "Syntax error: the script is nested too deeply, or too long, for Python to compile"},
	{name: "too deep for the parser", script: "x = " + repeated("-", 100000) + "1", status: 400, code: "syntax_error", kind: "MemoryError", message: "Syntax error: the script is nested too deeply, or too long, for Python to compile"},
	{name: "too deep in a word of the list", script: "import os\nx = 1" + repeated("+1", 100000), status: 400, code: "syntax_error", kind: "RecursionError", message: "Syntax error: the script is nested too deeply, or too long, for Python to compile"},
	{name: "a syntax error comes before a dangerous import", script: "import os\ndef main(:\n", status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 2: invalid syntax", line: 2},
	{name: "await outside", script: `
def main():
    await x
`, status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 2: 'await' outside async function", line: 2},
	{name: "a Markdown fence", script: "```python\ndef main():\n    return 1\n```\n", status: 400, code: "syntax_error", kind: "SyntaxError",
		message: "Syntax error on line 1: invalid syntax; the script stands in a Markdown fence: send only what is between its ``` lines", line: 1},
	{name: "a Markdown fence behind a sentence", script: "Here is the code:\n\n```\ndef main():\n    return 1\n```\n", status: 400, code: "syntax_error", kind: "SyntaxError",
		message: "Syntax error on line 1: invalid syntax; the script stands in a Markdown fence...", line: 1},
	{name: "half a Markdown fence", script: "def main():\n    return 1\n```\n", status: 400, code: "syntax_error", kind: "SyntaxError",
		message: "Syntax error on line 3: invalid syntax; the script stands in a Markdown fence...", line: 3},
	{name: "another kind of space", script: "def main():\n\u00a0   return 1\n", status: 400, code: "syntax_error", kind: "SyntaxError",
		message: "Syntax error on line 2: invalid non-printable character U+00A0; that is a space as web pages...", line: 2},
	{name: "a notebook's command", script: "!pip install x\ndef main(): ...\n", status: 400, code: "syntax_error", kind: "SyntaxError",
		message: "Syntax error on line 1: invalid syntax; lines that begin with % or !...", line: 1},
	{name: "a mistake behind a fence in a string", script: "x = \"\"\"\n```\n\"\"\"\ndef main(:\n", status: 400, code: "syntax_error", kind: "SyntaxError",
		message: "Syntax error on line 4: invalid syntax", line: 4},
	{name: "not Python at all", script: `console.log("hi"); function main() { return 1 }`, status: 400, code: "syntax_error", kind: "SyntaxError", message: "Syntax error on line 1: invalid syntax", line: 1},
}

// mainless: nothing to call.
var mainless = []mistake{
	{name: "no main", script: `x = 1`, status: 400, code: "no_main", message: noMain},
	{name: "only a comment", script: `# nothing`, status: 400, code: "no_main", message: noMain},
	{name: "main elsewhere", script: `
class A:
    def main(self):
        return 1

def outer():
    def main():
        return 2
`, status: 400, code: "no_main", message: noMain},
	{name: "Main and main_", script: `
def Main(): ...
def main_(): ...
`, status: 400, code: "no_main", message: noMain},
	{name: "main deleted", script: `
def main(): ...
del main
`, status: 400, code: "no_main", message: noMain},
	{name: "main is a value", script: `main = 5`, status: 400, code: "no_main", message: noMain + " (main is a value of type int, which cannot be called)"},
	{name: "main is a coroutine", script: `
async def work(): ...
main = work()
`, status: 400, code: "no_main", message: noMain + " (main is a value of type coroutine, which cannot be called)"},
	{name: "printed before it was found missing", script: `print("ran")`, status: 400, code: "no_main", message: noMain, stdout: "ran\n"},
	{name: "main needs arguments", script: `def main(x): return x`, status: 400, code: "no_main",
		message: `main() cannot be called with the arguments it was given: missing a required argument: 'x'; give them in the request's "args"`},
	{name: "main needs keywords", script: `def main(*, key): return key`, status: 400, code: "no_main",
		message: `main() cannot be called with the arguments it was given: missing a required ...`},
	{name: "async main needs arguments", script: `async def main(x): return x`, status: 400, code: "no_main", message: `main() cannot be called with the arguments it was given: missing a required argument: 'x'...`},
	{name: "args too many", script: `def main(x): return x`, args: `[1, 2]`, status: 400, code: "no_main",
		message: `main() cannot be called with the arguments it was given: too many positional arguments; the request's "args" must fit main(x)`},
	{name: "args of another name", script: `def main(x=1): return x`, args: `{"y": 1}`, status: 400, code: "no_main",
		message: `main() cannot be called with the arguments it was given: got an unexpected keyword argument 'y'; the request's "args" must fit main(x=1)`},
	{name: "main takes none", script: `def main(): return 1`, args: `[1]`, status: 400, code: "no_main",
		message: `main() cannot be called with the arguments it was given: too many positional arguments; the request's "args" must fit main()`},
}

// dangerous: names of the list, in every form in which they are used.
var dangerous = []mistake{
	forbidden("import", "import os\ndef main(): ...", "os", 1),
	forbidden("import of a part", "import os.path as p\ndef main(): ...", "os", 1),
	forbidden("import among others", "import json, sys as s\ndef main(): ...", "sys", 1),
	forbidden("from", "from subprocess import run\ndef main(): ...", "subprocess", 1),
	forbidden("from a part", "from os.path import join\ndef main(): ...", "os", 1),
	forbidden("star", "from os import *\ndef main(): ...", "os", 1),
	forbidden("taken from another module", "from shutil import os\ndef main(): ...", "os", 1),
	forbidden("inside a function", "def main():\n    if True:\n        import sys\n    return 1", "sys", 3),
	forbidden("inside try", "try:\n    import subprocess\nexcept ImportError:\n    pass\ndef main(): ...", "subprocess", 2),
	forbidden("__import__", "def main():\n    return __import__('os').getcwd()", "os", 2),
	forbidden("__import__ of a part", "def main():\n    return __import__('os.path')", "os", 2),
	forbidden("__import__ by name", "def main():\n    return __import__(name='o\\x73')", "os", 2),
	forbidden("importlib", "import importlib\ndef main():\n    return importlib.import_module('subprocess')", "subprocess", 3),
	forbidden("eval", "def main():\n    return eval('1+1')", "eval", 2),
	forbidden("exec", "def main():\n    exec('x = 1')", "exec", 2),
	forbidden("eval by another name", "run = eval\ndef main():\n    return run('1')", "eval", 1),
	forbidden("eval handed on", "def main():\n    return list(map(eval, ['1']))", "eval", 2),
	forbidden("eval from builtins", "from builtins import eval as e\ndef main():\n    return e('1')", "eval", 1),
	forbidden("in a decorator", "@exec\ndef main(): ...", "exec", 1),
	forbidden("in an f-string", "def main():\n    return f\"{eval('1')}\"", "eval", 2),
	forbidden("the first of several", "def main():\n    eval('1')\nimport sys\n", "eval", 2),
	forbidden("in letters that Python takes for the same", "import ｏｓ\ndef main(): ...", "os", 1),
	forbidden("without a main", "import os", "os", 1),
	forbidden("behind a semicolon", "x = 1; import os\ndef main(): ...", "os", 1),
	forbidden("in a script with a guard", "import sys\ndef main(): ...\nif __name__ == '__main__':\n    sys.exit(main())", "sys", 1),
}

func forbidden(name, script, what string, line int) mistake {
	return mistake{name: name, script: script, status: 400, code: "dangerous_import", line: line,
		message: "Dangerous import detected: " + what + " (line " + strconv.Itoa(line) + "); ..."}
}

// unwritable: results that have no JSON.
var unwritable = []mistake{
	notJSON("object", `def main(): return object()`, "object at result"),
	notJSON("function", `def main(): return {"f": main}`, "function at result['f']"),
	notJSON("lambda in a list", `def main(): return [1, [lambda: 1]]`, "function at result[1][0]"),
	notJSON("complex", `def main(): return {"a": {"b": (1, 2j)}}`, "complex at result['a']['b'][1]"),
	notJSON("complex from an iterator", "def main():\n    yield from range(5000)\n    yield {'z': 1j}", "complex at result[5000]['z']"),
	notJSON("async generator", "async def main():\n    yield 1", "async_generator at result"),
	notJSON("a coroutine inside", "async def work(): ...\ndef main():\n    return [work()]", "coroutine at result[0]"),
	notJSON("class", "class A: ...\ndef main(): return {1: A}", "type at result['1']"),
	notJSON("instance", "class Thing: ...\ndef main(): return Thing()", "Thing at result"),
	notJSON("module", "import math\ndef main(): return [math]", "module at result[0]"),
	notJSON("keys that are one", "def main(): return {'by': {1: 'number', '1': 'text'}}", "the keys 1 and '1', which are the same in JSON, at result['by']"),
	notJSON("True and its name", "def main(): return [{True: 1, 'true': 2}]", "the keys True and 'true', which are the same in JSON, at result[0]"),
	notJSON("None and its name", "def main(): return {None: 1, 'null': 2}", "the keys None and 'null', which are the same in JSON, at result"),
	notJSON("a float and its digits", "def main(): return {'a': {1.5: 1}, 'b': {'1.5': 1, 1.5: 2}}", "the keys '1.5' and 1.5, which are the same in JSON, at result['b']"),
	notJSON("a date and its text", "import datetime\ndef main(): return {datetime.date(2026, 1, 2): 1, '2026-01-02': 2}",
		"the keys datetime.date(2026, 1, 2) and '2026-01-02', which are the same in JSON, at result"),
	notJSON("an enum and its value", "import enum\nclass E(enum.Enum):\n    A = 'a'\ndef main(): return {E.A: 1, 'a': 2}",
		"the keys <E.A: 'a'> and 'a', which are the same in JSON, at result"),
	notJSON("numpy's key and Python's", "import numpy as np\ndef main(): return {np.datetime64('2026'): 1, '2026': 2}", "the keys numpy.datetime64('2026') and '2026', which are the same in JSON, at result"),
	notJSON("exception", "def main(): return ValueError('x')", "ValueError at result"),
	notJSON("open file", "def main(): return open('x', 'w')", "TextIOWrapper at result"),
	notJSON("a value inside itself", "def main():\n    a = [1]\n    a.append({'a': a})\n    return a", "a value that contains itself at result[1]['a']"),
	notJSON("a dict inside itself", "def main():\n    d = {}\n    d['d'] = d\n    return d", "a value that contains itself at result['d']"),
	notJSON("tuple as a key", "def main(): return {'x': {(1, 2): 3}}", "tuple as a key at result['x']"),
	notJSON("object as a key", "def main(): return {object(): 1}", "object as a key at result"),
	notJSON("a type of a dataclass", "import dataclasses\n@dataclasses.dataclass\nclass D:\n    x: int\ndef main(): return D", "type at result"),
	notJSON("inside a dataclass", "import dataclasses\n@dataclasses.dataclass\nclass D:\n    x: object\ndef main(): return [D(D(1j))]", "complex at result[0]['x']['x']"),
	notJSON("numpy's complex", "import numpy as np\ndef main(): return {'z': np.array([1, 2j])}", "complex at result['z'][0]"),
	notJSON("a numpy type", "import numpy as np\ndef main(): return np.int64", "type at result"),
	notJSON("objects in a frame", "import pandas as pd\ndef main(): return pd.DataFrame({'o': [object()]})", "object at result[0]['o']"),
	notJSON("a group", "import pandas as pd\ndef main(): return pd.DataFrame({'o': [1]}).groupby('o')", "DataFrameGroupBy at result"),
	{name: "too deep", script: "def main():\n    v = 1\n    for _ in range(1001):\n        v = [v]\n    return v", status: 400, code: "invalid_result", message: "main() function must return valid JSON (got more than 1000 levels of nesting..."},
	{name: "much too deep", script: "def main():\n    v = 1\n    for _ in range(200000):\n        v = [v]\n    return v", status: 400, code: "invalid_result", message: "main() function must return valid JSON (got more than 1000 levels of nesting..."},
	{name: "too long", script: `def main(): return "x" * 9000000`, status: 500, code: "output_limit", message: "Script execution failed: the result is 9000002 bytes of JSON, the limit is 8388608; return less"},
}

func notJSON(name, script, what string) mistake {
	return mistake{name: name, script: script, status: 400, code: "invalid_result", message: "main() function must return valid JSON (got " + what + ")"}
}

// exceptions: what a script lets out.
var exceptions = []mistake{
	{name: "simple", script: `
def main():
    print("so far")
    return 1 / 0
`, status: 500, code: "exception", kind: "ZeroDivisionError", message: "Script execution failed: ZeroDivisionError: division by zero (line 3)", line: 3, stdout: "so far\n",
		frames: []string{"Traceback (most recent call last):\n  File \"script.py\", line 3, in main\n    return 1 / 0\n", "ZeroDivisionError: division by zero\n"}},
	{name: "at import", script: `
x = undefined
def main(): ...
`, status: 500, code: "exception", kind: "NameError", message: "Script execution failed: NameError: name 'undefined' is not defined (line 1)", line: 1},
	{name: "in nested calls", script: `
def inner(n):
    raise ValueError(f"bad {n}")

def outer(n):
    return inner(n + 1)

def main():
    return outer(1)
`, status: 500, code: "exception", kind: "ValueError", message: "Script execution failed: ValueError: bad 2 (line 2)", line: 2,
		frames: []string{"line 8, in main\n    return outer(1)\n", "line 5, in outer\n", "line 2, in inner\n", "ValueError: bad 2"}},
	{name: "in a library", script: `
import json

def main():
    return json.loads("{")
`, status: 500, code: "exception", kind: "JSONDecodeError", message: "Script execution failed: JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1) (line 4)", line: 4,
		frames: []string{"line 4, in main\n", "JSONDecodeError: Expecting"}},
	{name: "in pandas", script: `
import pandas as pd

def main():
    return pd.DataFrame({"a": [1]})["b"]
`, status: 500, code: "exception", kind: "KeyError", message: "Script execution failed: KeyError: 'b' (line 4)", line: 4, frames: []string{"KeyError: 'b'", "direct cause", "line 4, in main"}},
	{name: "in a file of the request", files: []file{{Path: "lib/helper.py", Content: "def fail():\n    raise OSError('from helper')\n"}}, script: `
from lib.helper import fail

def main():
    fail()
`, status: 500, code: "exception", kind: "OSError", message: "Script execution failed: OSError: from helper (line 4)", line: 4,
		frames: []string{"File \"script.py\", line 4, in main\n    fail()\n", "File \"lib/helper.py\", line 2, in fail\n    raise OSError('from helper')\n"}},
	{name: "chained", script: `
def main():
    try:
        {}["k"]
    except KeyError as e:
        raise RuntimeError("wrapped") from e
`, status: 500, code: "exception", kind: "RuntimeError", message: "Script execution failed: RuntimeError: wrapped (line 5)", line: 5,
		frames: []string{"line 3, in main\n", "KeyError: 'k'\n", "The above exception was the direct cause", "line 5, in main\n", "RuntimeError: wrapped\n"}},
	{name: "while handling another", script: `
def main():
    try:
        int("x")
    except ValueError:
        undefined
`, status: 500, code: "exception", kind: "NameError", message: "Script execution failed: NameError: name 'undefined' is not defined (line 5)", line: 5,
		frames: []string{"ValueError: invalid literal", "During handling of the above exception, another exception occurred", "NameError"}},
	{name: "group", script: `
def main():
    errors = []
    for n in range(2):
        try:
            [][n]
        except IndexError as e:
            errors.append(e)
    raise ExceptionGroup("several", errors)
`, status: 500, code: "exception", kind: "ExceptionGroup", message: "Script execution failed: ExceptionGroup: several (2 sub-exceptions) (line 8)", line: 8,
		frames: []string{"Exception Group Traceback", "line 8, in main", "ExceptionGroup: several (2 sub-exceptions)", "---------------- 1", "line 5, in main", "IndexError: list index out of range", "---------------- 2"}},
	{name: "in async code", script: `
import asyncio

async def fail():
    await asyncio.sleep(0)
    raise ValueError("async")

async def main():
    await asyncio.gather(fail())
`, status: 500, code: "exception", kind: "ValueError", message: "Script execution failed: ValueError: async (line 5)", line: 5, frames: []string{"line 8, in main", "line 5, in fail"}},
	{name: "with notes", script: `
def main():
    e = ValueError("v")
    e.add_note("look here")
    raise e
`, status: 500, code: "exception", kind: "ValueError", message: "Script execution failed: ValueError: v (line 4)", line: 4, frames: []string{"ValueError: v\nlook here\n"}},
	{name: "whose str fails", script: `
class Bad(Exception):
    def __str__(self):
        raise RuntimeError("no")

def main():
    raise Bad()
`, status: 500, code: "exception", kind: "Bad", message: "Script execution failed: Bad: <exception str() failed> (line 6)", line: 6, frames: []string{"line 6, in main"}},
	{name: "without a message", script: `
def main():
    assert 1 > 2
`, status: 500, code: "exception", kind: "AssertionError", message: "Script execution failed: AssertionError (line 2)", line: 2},
	{name: "of many letters", script: `
def main():
    raise ValueError("ü😀\ud800" + "x" * 100000)
`, status: 500, code: "exception", kind: "ValueError", message: "Script execution failed: ValueError: ü😀...", line: 2},
	{name: "recursion", script: `
def down(n):
    return down(n + 1)

def main():
    return down(0)
`, status: 500, code: "exception", kind: "RecursionError", message: "Script execution failed: RecursionError: maximum recursion depth exceeded...", line: 2, frames: []string{"[Previous line repeated", "RecursionError"}},
	{name: "exit", script: `def main(): exit()`, status: 500, code: "exception", kind: "SystemExit", message: "Script execution failed: SystemExit (the script ended itself; return from main() instead) (line 1)", line: 1},
	{name: "SystemExit with a code", script: `
def main():
    print("bye")
    raise SystemExit(3)
`, status: 500, code: "exception", kind: "SystemExit", message: "Script execution failed: SystemExit: 3 (the script ended itself; return from main() instead) (line 3)", line: 3, stdout: "bye\n"},
	{name: "KeyboardInterrupt", script: `
def main():
    raise KeyboardInterrupt
`, status: 500, code: "exception", kind: "KeyboardInterrupt", message: "Script execution failed: KeyboardInterrupt (line 2)", line: 2},
	{name: "a module that is not there", script: `
import no_such_library
def main(): ...
`, status: 500, code: "exception", kind: "ModuleNotFoundError", message: "Script execution failed: ModuleNotFoundError: No module named 'no_such_library' (line 1); no_such_library is not installed...", line: 1},
	{name: "a SyntaxError at run time", script: `
import ast
def main():
    return ast.literal_eval("1 +")
`, status: 500, code: "exception", kind: "SyntaxError", message: "Script execution failed: SyntaxError: invalid syntax...", line: 3},
	{name: "a file that does not compile", files: []file{{Path: "broken.py", Content: "x = 1\ndef f(:\n"}}, script: `
import broken
def main(): ...
`, status: 500, code: "exception", kind: "SyntaxError", message: "Script execution failed: SyntaxError: invalid syntax (broken.py, line 2)...", line: 1,
		frames: []string{"File \"script.py\", line 1, in <module>\n    import broken\n", "File \"broken.py\", line 2\n    def f(:\n"}},
	{name: "line numbers past form feeds", script: "x = '\u2028'\n\f\ndef main():\n    return x.missing\n", status: 500, code: "exception", kind: "AttributeError", message: "Script execution failed: AttributeError: 'str' object has no attribute 'missing' (line 4)", line: 4,
		frames: []string{"line 4, in main\n    return x.missing\n"}},
	{name: "while the result is iterated", script: `
class Sly(dict):
    def items(self):
        raise ValueError("sly")

def main():
    return Sly(a=float("nan"))
`, status: 500, code: "exception", kind: "ValueError", message: "Script execution failed: ValueError: sly (line 3)", line: 3},
	{name: "memory", script: `
def main():
    print("before")
    return len(bytearray(500 * 1024 * 1024))
`, status: 500, code: "memory_limit", kind: "MemoryError", message: "Script execution failed: memory limit of 100 MB exceeded", line: 3, stdout: "before\n"},
	{name: "memory of numpy", script: `
import numpy as np
def main():
    return np.ones((20000, 20000)).sum()
`, status: 500, code: "memory_limit", kind: "MemoryError", message: "Script execution failed: memory limit of 100 MB exceeded", line: 3},
}
