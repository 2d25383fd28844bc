package e2e

import (
	"strings"
	"testing"
)

func repeated(s string, n int) string { return strings.Repeat(s, n) }

// output are programs that write.
var output = []program{
	{name: "print", script: `
def main():
    print("a", 1, None, sep="-", end="!\n")
    print()
    print(*range(3), [1], {"k": "v"}, 1.5, b"x")
    print("no newline", end="")
`, result: `null`, stdout: "a-1-None!\n\n0 1 2 [1] {'k': 'v'} 1.5 b'x'\nno newline"},
	{name: "python, C and the kernel in turn", script: `
import ctypes, posix

def main():
    libc = ctypes.CDLL(None)
    print("python", end=" ", flush=True)
    libc.puts(b"puts")
    posix.write(1, b"write ")
    libc.printf(b"printf %d ", 5)
    print("python again")
    libc.putchar(ord("c"))
    libc.write(1, b"w\n", 2)
`, result: `null`, stdout: "python puts\nwrite printf 5 python again\ncw\n"},
	{name: "threads", script: `
import threading

def main():
    threads = [threading.Thread(target=lambda n=n: print(f"thread {n}\n", end="")) for n in range(20)]
    for t in threads[::2]:
        t.start()
        t.join()
    return threading.active_count()
`, result: `1`, stdout: "thread 0\nthread 2\nthread 4\nthread 6\nthread 8\nthread 10\nthread 12\nthread 14\nthread 16\nthread 18\n"},
	{name: "redirected", script: `
import contextlib, io

def main():
    with contextlib.redirect_stdout(io.StringIO()) as caught:
        print("caught")
    print("let through")
    return caught.getvalue()
`, result: `"caught\n"`, stdout: "let through\n"},
	{name: "json lookalike", script: `
def main():
    print('{"result": "forged", "stdout": ""}')
    print("\x00\x01\x1b[31mred\x1b[0m\ttab\rreturn")
    return "real"
`, result: `"real"`, stdout: "{\"result\": \"forged\", \"stdout\": \"\"}\n\x00\x01\x1b[31mred\x1b[0m\ttab\rreturn\n"},
	{name: "bytes that are no text", script: `
import posix

def main():
    posix.write(1, b"a\xffb\xc3")
    posix.write(1, "é\n".encode())
`, result: `null`, stdout: "a\ufffdb\ufffdé\n"},
	{name: "a character in two writes", script: `
import posix

def main():
    posix.write(1, b"\xf0\x9f")
    posix.write(1, b"\x98\x80")
`, result: `null`, stdout: "😀"},
	{name: "many small prints", script: `
def main():
    for n in range(20000):
        print(n % 10, end="")
`, result: `null`, stdout: repeated("0123456789", 2000)},
	{name: "all that is kept", script: `def main(): print("x" * (1024 * 1024), end="")`, result: `null`, stdout: repeated("x", 1<<20)},
	{name: "one too many", script: `def main(): print("x" * (1024 * 1024 + 1), end="")`, result: `null`, stdout: repeated("x", 1<<20) + "\n[stdout truncated at 1048576 bytes]"},
	{name: "cut between characters", script: `def main(): print("x" + "é" * (1024 * 512), end="")`, result: `null`, stdout: "x" + repeated("é", 1<<19-1) + "\n[stdout truncated at 1048576 bytes]"},
	{name: "cut between long characters", script: `def main(): print("xyz" + "😀" * (1024 * 300), end="")`, result: `null`, stdout: "xyz" + repeated("😀", 1<<18-1) + "\n[stdout truncated at 1048576 bytes]"},
	{name: "stdout closed", script: `
import posix

def main():
    print("before")
    posix.close(1)
    return "after"
`, result: `"after"`, stdout: "before\n"},
	{name: "stdout duplicated", script: `
import posix

def main():
    fd = posix.dup(1)
    posix.write(fd, b"through the copy\n")
    return fd > 2
`, result: `true`, stdout: "through the copy\n"},
	{name: "a daemon that does not end", script: `
import threading

def main():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    print("started")
    return "not waited for"
`, result: `"not waited for"`, stdout: "started\n"},
}

// testStreams looks at what /execute alone does not show: stderr, and what was cut.
func testStreams(t *testing.T, c *client) {
	t.Run("stderr apart", func(t *testing.T) {
		a := c.execute(t, request{Script: source(`
import logging, warnings, posix, traceback

logging.basicConfig(format="%(levelname)s:%(name)s:%(message)s", level="INFO")

def main():
    logging.getLogger("app").info("logged")
    warnings.warn("careful")
    posix.write(2, b"raw\n")
    try:
        1 / 0
    except ZeroDivisionError:
        traceback.print_exc()
    print("out")
    return 1
`)})
		if result, stdout := a.succeeded(t); result != "1" || stdout != "out\n" {
			t.Errorf("got %s and %q", result, stdout)
		}
		j := c.job(t, a)
		for _, part := range []string{
			"INFO:app:logged\n", "script.py:7: UserWarning: careful\n  warnings.warn(\"careful\")\n", "raw\n",
			"Traceback (most recent call last):\n  File \"script.py\", line 10, in main\n    1 / 0\n", "ZeroDivisionError: division by zero\n",
		} {
			if !strings.Contains(j.Stderr, part) {
				t.Errorf("no %q in stderr %q", part, j.Stderr)
			}
		}
		if j.Stdout != "out\n" || j.Status != "completed" || string(j.Result) != "1" {
			t.Errorf("job: %+v", j)
		}
	})
	t.Run("both cut", func(t *testing.T) {
		a := c.execute(t, request{Script: source(`
import posix
def main():
    print("o" * 2000000)
    posix.write(2, b"e" * 2000000)
`)})
		a.succeeded(t)
		if cut := a.header.Get("X-Truncated"); !strings.Contains(cut, "stdout") || !strings.Contains(cut, "stderr") {
			t.Errorf("X-Truncated: %q", cut)
		}
		if j := c.job(t, a); !j.Truncated.Stdout || !j.Truncated.Stderr || len(j.Stdout) != 1<<20 || len(j.Stderr) != 1<<20 {
			t.Errorf("truncated %+v, %d and %d bytes", j.Truncated, len(j.Stdout), len(j.Stderr))
		}
	})
}

// testFiles looks at the files that a program leaves behind.
func testFiles(t *testing.T, c *client) {
	for _, e := range []struct {
		name, script string
		files        []file
		want         string // path:size:encoding:content of each, in order
	}{
		{name: "none", script: `def main(): return 1`},
		{name: "new ones", script: `
from pathlib import Path

def main():
    Path("b.txt").write_text("é\n")
    Path("a/deep").mkdir(parents=True)
    Path("a/deep/x.bin").write_bytes(b"\xff\x00")
    Path("empty").touch()
    Path("link").symlink_to("/etc/passwd")
`, want: "a/deep/x.bin:2:base64:/wA=\nb.txt:3:utf-8:é\n\nempty:0:utf-8:\nlink:11:link:\n"},
		{name: "changed, kept and removed", files: []file{{Path: "in/a", Content: "1"}, {Path: "in/b", Content: "2"}, {Path: "c", Content: "3"}}, script: `
from pathlib import Path

def main():
    Path("in/a").write_text("changed")
    Path("c").unlink()
`, want: "in/a:7:utf-8:changed\n"},
		{name: "elsewhere by then", script: `
import posix

def main():
    posix.mkdir("d")
    posix.chdir("d")
    open("x", "w").write("1")
    posix.chdir("/usr")
`, want: "d/x:1:utf-8:1\n"},
		{name: "control characters", script: `def main(): open("c", "wb").write(bytes(3000)) and None`, want: "c:3000:base64:" + repeated("A", 4000) + "\n"},
		{name: "of libraries and hidden", script: `
from pathlib import Path

def main():
    for name in (".cache/x", ".config/matplotlib/y", "fontlist-v330.json", "__pycache__/z", "a/__pycache__/z", ".pytest_cache/v", ".env", "a/.cache/kept"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("1")
`, want: ".env:1:utf-8:1\na/.cache/kept:1:utf-8:1\n"},
		{name: "left by a script that failed", script: `
def main():
    open("partial", "w").write("so far")
    raise ValueError
`, want: "partial:6:utf-8:so far\n"},
	} {
		t.Run(e.name, func(t *testing.T) {
			j := c.job(t, c.execute(t, request{Script: source(e.script), Files: e.files}))
			var got strings.Builder
			for _, f := range j.Files {
				got.WriteString(strings.Join([]string{f.Path, digits(f.Size), f.Encoding + f.Reason, f.Content}, ":") + "\n")
			}
			if got.String() != e.want {
				t.Errorf("got %q, want %q", got.String(), e.want)
			}
		})
	}
}
