package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// testHostile sends scripts that do harm, each followed at once by honest ones, which must not notice.
func testHostile(t *testing.T, c *client) {
	usual := honest(t, c, 9)
	for _, h := range []struct {
		name, script string
		limits       limits
		status       int
		code         string
		part         string // of the error
		line         int
		stdout       string // its beginning
	}{
		{name: "endless loop", limits: limits{TimeoutMS: 400}, status: 500, code: "timeout", part: "timeout", line: 3, stdout: "started", script: `
def main():
    print("started", end="")
    while True: pass
`},
		{name: "endless loop at import", limits: limits{TimeoutMS: 300}, status: 500, code: "timeout", part: "timeout", line: 1, script: `while True: pass`},
		{name: "asleep", limits: limits{TimeoutMS: 300}, status: 500, code: "timeout", part: "0.3 s", line: 4, stdout: "zzz\n", script: `
import time
def main():
    print("zzz")
    time.sleep(60)
`},
		{name: "endless in C code", limits: limits{TimeoutMS: 500}, status: 500, code: "timeout", part: "timeout", line: 4, stdout: "before", script: `
import re
def main():
    print("before", end="")
    re.match("(a*)*b", "a" * 64)
`},
		{name: "catches everything", limits: limits{TimeoutMS: 400}, status: 500, code: "timeout", part: "timeout", script: `
import signal
def main():
    for n in range(1, 65):
        try:
            signal.signal(n, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
`},
		{name: "many threads at work", limits: limits{TimeoutMS: 500}, status: 500, code: "timeout", part: "timeout", script: `
import threading, hashlib
def work():
    while True:
        hashlib.sha256(b"x" * 100000).digest()
def main():
    for _ in range(8):
        threading.Thread(target=work).start()
    work()
`},
		{name: "memory by and by", limits: limits{MemoryMB: 50}, status: 500, code: "memory_limit", part: "memory limit of 50 MB", script: `
def main():
    hoard = []
    while True:
        hoard.append("x" * 100000 + str(len(hoard)))
`},
		{name: "memory in C code", status: 500, code: "memory_limit", part: "memory", script: `
def main():
    return len("x" * 10**9)
`},
		{name: "fork", status: 500, code: "exception", part: "PermissionError", line: 3, script: `
import posix
def main():
    posix.fork()
`},
		{name: "a fork bomb that takes no for an answer", limits: limits{TimeoutMS: 500}, status: 500, code: "timeout", part: "timeout", script: `
import posix
def main():
    while True:
        try:
            posix.fork()
        except OSError:
            pass
`},
		{name: "another program", status: 500, code: "exception", part: "Error", script: `
import posix
def main():
    posix.execv("/bin/sh", ["sh"])
`},
		{name: "a flood on stdout", status: 500, code: "output_limit", part: "output limit", stdout: "xxxx", script: `
def main():
    while True:
        print("x" * 100000)
`},
		{name: "a flood on stderr", status: 500, code: "output_limit", part: "output limit", script: `
import posix
def main():
    while True:
        posix.write(2, b"x" * 100000)
`},
		{name: "os._exit", status: 500, code: "crashed", part: "status 3", stdout: "last", script: `
import posix
def main():
    print("last", end="")
    posix._exit(3)
`},
		{name: "os._exit(0)", status: 500, code: "crashed", part: "status 0", script: `
import posix
def main():
    posix._exit(0)
`},
		{name: "segfault", status: 500, code: "crashed", part: "SIGSEGV", line: 4, stdout: "last", script: `
import ctypes
def main():
    print("last", end="")
    ctypes.string_at(0)
`},
		{name: "abort", status: 500, code: "crashed", part: "SIG", line: 3, script: `
import posix
def main():
    posix.abort()
`},
		{name: "kills itself", status: 500, code: "crashed", part: "SIGKILL", script: `
import posix, signal
def main():
    posix.kill(posix.getpid(), signal.SIGKILL)
`},
		{name: "kills everybody", status: 500, code: "crashed", part: "SIGKILL", script: `
import posix, signal
def main():
    try:
        posix.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass  # there is nobody else
    try:
        posix.kill(1, signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        pass
    posix.kill(posix.getpid(), signal.SIGKILL)
`},
		{name: "the network", status: 500, code: "exception", part: "PermissionError", script: `
import socket
def main():
    socket.create_connection(("127.0.0.1", 80), 1)
`},
		{name: "the disk", status: 500, code: "exception", part: "No space left", script: `
def main():
    n = 0
    while True:
        with open(f"f{n}", "wb") as f:
            f.write(b"x" * (8 << 20))
        n += 1
`},
		{name: "writes where it must not", status: 500, code: "exception", part: "OSError", line: 2, script: `
def main():
    open("/usr/x", "w")
`},
		{name: "writes to everything", status: 500, code: "crashed", part: "status 0", script: `
import posix
def main():
    for fd in range(3, 64):
        try:
            posix.write(fd, b'{"error": {"code": "timeout"}}\n')
        except OSError:
            pass
    posix._exit(0)
`},
	} {
		t.Run(h.name, func(t *testing.T) {
			r := request{Script: source(h.script), Limits: &h.limits}
			f := c.execute(t, r).failed(t, h.status)
			after := honest(t, c, 1)
			if f.Code != h.code || !strings.Contains(f.Error, h.part) || h.line > 0 && f.Line != h.line || !strings.HasPrefix(f.Stdout, h.stdout) {
				t.Errorf("got code %q, line %d, stdout %.40q: %s", f.Code, f.Line, f.Stdout, f.Error)
			}
			// A jail that must be started anew takes some hundred milliseconds; nobody may wait for a job that is dead.
			if bound := 20*usual + 2*time.Second; after > bound {
				t.Errorf("the next honest request took %s, usually it is %s", after, usual)
			}
		})
	}
}

// honest is the median time of n requests that must succeed.
func honest(t *testing.T, c *client, n int) time.Duration {
	t.Helper()
	script := "import pandas as pd\ndef main():\n    print('honest')\n    return pd.Series([1, 2]).sum()"
	if preload, given := os.LookupEnv("JAIL_PRELOAD"); given && !strings.Contains(preload, "pandas") {
		script = "def main():\n    print('honest')\n    return 1 + 2"
	}
	var took []time.Duration
	for range n {
		began := time.Now()
		result, stdout := c.execute(t, request{Script: script}).succeeded(t)
		took = append(took, time.Since(began))
		if result != "3" || stdout != "honest\n" {
			t.Errorf("an honest request got %s and %q", result, stdout)
		}
	}
	slices.Sort(took)
	return took[n/2]
}
