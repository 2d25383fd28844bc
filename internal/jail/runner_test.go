package jail

import (
	"os/exec"
	"strings"
	"testing"
)

// TestForkHooks: a library that wants to be called around a fork is, whatever it registers; the standard library's own wishes are
// met in other ways.
func TestForkHooks(t *testing.T) {
	const script = `
import os, sys
sys.path.insert(0, ".")
import runner.server as server
hooks = server._ForkHooks()
import random, logging, threading, concurrent.futures.thread
assert hooks.fork() is server.linux.fork, hooks.wanted_by
for register in (
    "os.register_at_fork(after_in_child=lambda: None)",
    "os.register_at_fork(after_in_child={}.clear)",
    "import functools; os.register_at_fork(after_in_child=functools.partial(print, 1))",
):
    hooks.wanted_by.clear()
    exec(register, {"__name__": "library", "os": os})
    assert hooks.fork() is os.fork, register
`
	if said, err := exec.Command("/usr/bin/python3", "-I", "-B", "-c", script).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, strings.TrimSpace(string(said)))
	}
}
