package e2e

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// testEnds looks at what a program does when main has returned, or has not.
func testEnds(t *testing.T, c *client) {
	for _, e := range []struct{ name, script, stdout, code, message string }{
		{name: "handlers", script: `
import atexit

def main():
    for i in range(3):
        atexit.register(print, "closing", i)
    print("working")
`, stdout: "working\nclosing 2\nclosing 1\nclosing 0\n"},
		{name: "handlers of a script that fails", script: `
import atexit

@atexit.register
def closing():
    print("closing")

def main():
    raise ValueError("no")
`, stdout: "closing\n", code: "exception", message: "ValueError: no (line 9)"},
		{name: "a handler that fails", script: `
import atexit

def main():
    atexit.register(print, "after all")
    atexit.register(lambda: 1 / 0)
    return 1
`, stdout: "after all\n"},
		{name: "threads", script: `
import threading, time

def send(n):
    time.sleep(0.2)
    print("sent", n)
    if n:
        threading.Thread(target=send, args=(n - 1,)).start()

def main():
    threading.Thread(target=send, args=(1,)).start()
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
`, stdout: "sent 1\nsent 0\n"},
		{name: "an executor that nobody shuts down", script: `
import atexit, time
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(2)

def work(n):
    time.sleep(0.1)
    print("worked")

def main():
    atexit.register(print, "closing")
    for n in range(3):
        pool.submit(work, n)
`, stdout: "worked\nworked\nworked\nclosing\n"},
		{name: "finalisers", script: `
import weakref

class Noisy:
    def __init__(self, name):
        self.name = name
    def __del__(self):
        print("gone", self.name)

class Kept:
    pass

def generator():
    try:
        yield 1
    finally:
        print("generator closed")

one, kept, going = Noisy("one"), Kept(), generator()
weakref.finalize(kept, print, "finalized")
next(going)
cycle = [Noisy("cycle")]
cycle.append(cycle)

def main():
    print("working")
`, stdout: "working\nfinalized\ngone one\ngenerator closed\ngone cycle\n"},
		{name: "logging", script: `
import logging, logging.handlers, io

class Shown(logging.Handler):
    def emit(self, record):
        print(record.getMessage())

def main():
    memory = logging.handlers.MemoryHandler(100, target=Shown())
    logging.getLogger("x").addHandler(memory)
    logging.getLogger("x").warning("remembered")
`, stdout: "remembered\n"},
		{name: "a thread without end", script: `
import threading, time

def forever():
    while True:
        time.sleep(0.01)

def main():
    threading.Thread(target=forever).start()
    print("started")
`, stdout: "started\n", code: "timeout", message: "main() had returned, and a thread that is not a daemon still ran"},
		{name: "a handler without end", script: `
import atexit

@atexit.register
def forever():
    while True:
        pass

def main():
    return 1
`, code: "timeout", message: "main() had returned, and a function registered with atexit still ran"},
	} {
		t.Run(e.name, func(t *testing.T) {
			r := request{Script: e.script}
			if e.code == "timeout" {
				r.Limits = &limits{TimeoutMS: 1500}
			}
			a := c.execute(t, r)
			var got struct{ Stdout, Code, Error string }
			if err := json.Unmarshal(a.body, &got); err != nil {
				t.Fatal(err)
			}
			if (a.status == http.StatusOK) != (e.code == "") || got.Code != e.code || !strings.Contains(got.Error, e.message) || got.Stdout != e.stdout {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	t.Run("files never closed", func(t *testing.T) {
		j := c.job(t, c.execute(t, request{Script: `
import gzip, io, zipfile
import log

kept = []
out = open("text", "w")
archive = zipfile.ZipFile("archive.zip", "w")

def main():
    out.write("never closed")
    log.out.write("of a module")
    around = io.TextIOWrapper(gzip.open("compressed.gz", "w"))
    around.write("compressed")
    kept.extend([around, kept])
    archive.writestr("x", "in an archive")
    main.binary = open("binary", "wb")
    main.binary.write(b"1")
`, Files: []file{{Path: "log.py", Content: "out = open('module', 'w')\n"}}}))
		got := map[string]string{}
		for _, f := range j.Files {
			got[f.Path] = f.Content
			if f.Encoding == "base64" {
				data, err := base64.StdEncoding.DecodeString(f.Content)
				if err != nil {
					t.Fatal(err)
				}
				got[f.Path] = string(data)
			}
		}
		got["compressed.gz"] = unpacked(t, func(data []byte) (io.Reader, error) { return gzip.NewReader(bytes.NewReader(data)) }, got["compressed.gz"])
		got["archive.zip"] = unpacked(t, func(data []byte) (io.Reader, error) {
			archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				return nil, err
			}
			return archive.Open("x")
		}, got["archive.zip"])
		want := map[string]string{
			"text": "never closed", "module": "of a module", "compressed.gz": "compressed", "archive.zip": "in an archive", "binary": "1",
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

func unpacked(t *testing.T, open func([]byte) (io.Reader, error), data string) string {
	t.Helper()
	r, err := open([]byte(data))
	if err != nil {
		t.Errorf("%d bytes: %v", len(data), err)
		return ""
	}
	all, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(all)
}

// testFilesOfEveryEnd: what a script has left comes back the same, however it ended, and whatever does not come back is named.
func testFilesOfEveryEnd(t *testing.T, c *client) {
	const make = `
import posix
from pathlib import Path

def leave():
    Path("result.txt").write_text("fine")
    Path("in/changed.txt").write_text("new")
    Path("a.txt").symlink_to("/etc/passwd")
    Path("dir").symlink_to("/etc")
    with open("sparse.bin", "wb") as f:
        f.truncate(40_000_000)
    for name in ("secret.txt", "locked"):
        Path(name).mkdir() if name == "locked" else Path(name).write_text("x")
    Path("locked/x").write_text("1")
    for name in ("secret.txt", "locked"):
        Path(name).chmod(0)
    Path("b\nc").write_text("1")
    open(b"bad\xff\xc3", "w").close()
    Path("deep/" + "/".join("d" * 20)).mkdir(parents=True)
    Path("empty").touch()
    Path(".env").write_text("A=1")
    Path(".cache").mkdir()
    Path(".cache/x").write_text("1")
    Path("é").write_bytes(bytes(range(256)))
    for i in range(300):
        Path(f"many{i:03}").write_text(str(i))

`
	files := []file{{Path: "in/changed.txt", Content: "old"}, {Path: "in/kept.txt", Content: "old"}, {Path: "kept.bin", Content: "AAE=", Encoding: "base64"}}
	var want job
	for _, e := range []struct{ name, end, status string }{
		{"by itself", "return 1", "completed"}, {"an exception", "raise ValueError", "failed"}, {"over its time", "\n    while True: pass", "failed"},
		{"an exit", "posix._exit(0)", "failed"}, {"a crash", "posix.abort()", "failed"}, {"a flood", "\n    while True: print('x' * 1000000)", "failed"},
	} {
		t.Run(e.name, func(t *testing.T) {
			r := request{Script: fmt.Sprintf("%sdef main():\n    leave()\n    %s\n", make, e.end), Files: files}
			if e.name == "over its time" {
				r.Limits = &limits{TimeoutMS: 3000}
			}
			j := c.job(t, c.execute(t, r))
			if j.Status != e.status || !j.Truncated.Files || j.Truncated.Unnamed == 0 {
				t.Fatalf("%s, %+v, %d files", j.Status, j.Truncated, len(j.Files))
			}
			if want.Files == nil {
				want = j
				return
			}
			if !reflect.DeepEqual(j.Files, want.Files) || j.Truncated.Unnamed != want.Truncated.Unnamed {
				t.Errorf("got %d files and %d more, want %d and %d\n%+v\n%+v", len(j.Files), j.Truncated.Unnamed, len(want.Files), want.Truncated.Unnamed, j.Files, want.Files)
			}
		})
	}
	reasons, whole := map[string]string{}, map[string]string{}
	for _, f := range want.Files {
		switch {
		case f.Reason == "":
			whole[f.Path] = f.Content
		case !strings.HasPrefix(f.Path, "many"):
			reasons[f.Path] = f.Reason
		}
	}
	if len(whole) != 32 || whole[".env"] != "A=1" || whole["in/changed.txt"] != "new" || whole["many000"] != "0" || reasons["a.txt"] != "link" ||
		reasons["locked"] != "unreadable" || reasons["b%0Ac"] != "name" || reasons["bad%FF%C3"] != "name" {
		t.Errorf("handed back: %q; named: %q", whole, reasons)
	}
	if _, back := whole["in/kept.txt"]; back {
		t.Error("a file of the request that nobody changed is a result")
	}
}
