package jail

import (
	"os/exec"
	"strings"
	"testing"
)

// TestForkHooks: a library that wants to be called around a fork is, whatever it registers; the standard library's own wishes are
// met in other ways.
func TestForkHooks(t *testing.T) {
	runPython(t, `
import os
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
`)
}

// runPython runs a script that imports the runner, outside a jail.
func runPython(t *testing.T, script string) {
	t.Helper()
	if said, err := exec.Command("/usr/bin/python3", "-I", "-B", "-c",
		"import sys\nsys.path.insert(0, '.')\n"+script).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, strings.TrimSpace(string(said)))
	}
}

// TestSizeSaysNothingOnDisk: a directory of another file system than tmpfs may have the size of an empty tmpfs and hold files.
func TestSizeSaysNothingOnDisk(t *testing.T) {
	runPython(t, `
import os, tempfile, types
from runner import files
with tempfile.TemporaryDirectory() as path:
    directory = files.Directory(path, tmpfs=False, most=32, size=1 << 20)
    with open(os.path.join(path, "new"), "w") as f:
        f.write("x")
    stat, files.os.stat = os.stat, lambda path, **options: types.SimpleNamespace(st_size=files.EMPTY)
    used, found = directory.used(), directory.collect()["files"]
    files.os.stat = stat
assert used and [f["path"] for f in found] == ["new"], found
`)
}

// TestFirstOfRuns: of what shall be pinned as much is left as a limit has room for, in whole pages.
func TestFirstOfRuns(t *testing.T) {
	runPython(t, `
from runner import memory
runs = [(0x1000, 0x1000), (0x4000, 0x3000), (0x9000, 0x1000)]
for limit, want in ((0, []), (0xfff, []), (0x1000, runs[:1]), (0x3800, [runs[0], (0x4000, 0x2000)]), (0x5000, runs), (1 << 30, runs)):
    assert memory._first(runs, limit) == want, (limit, memory._first(runs, limit))
`)
}

// TestLayout: what Python allocates from then on lies in whole huge pages, where the kernel makes them of what there is.
func TestLayout(t *testing.T) {
	runPython(t, `
from runner import linux, memory
huge = 2 << 20
able, probe = True, linux.allocate(huge, huge)
linux.copy(probe, b"x")
try:
    linux.collapse(probe, huge)
except OSError:
    able = False
layout = memory.Layout(8)
kept = [bytes(400) for _ in range(6 << 20 >> 9)]
layout.settle()
layout.collapse()
chunks = set(layout._chunks)
outside = [thing for thing in kept if id(thing) // huge not in chunks]
assert len(outside) < len(kept) / 50, (len(outside), chunks)
in_huge_pages, within = 0, False
for line in open("/proc/self/smaps"):
    field = line.split()
    if "-" in field[0]:
        start, end = (int(address, 16) for address in field[0].split("-"))
        within = any(start <= chunk * huge < end for chunk in chunks)
    elif within and field[0] == "AnonHugePages:":
        in_huge_pages += int(field[1]) << 10
assert in_huge_pages >= 2 * huge or not able, in_huge_pages
`)
}

// TestLayoutElsewhere: where the arenas do not come to lie together, or the heap cannot grow, nothing is lost but time.
func TestLayoutElsewhere(t *testing.T) {
	runPython(t, `
import contextlib, mmap, resource
from runner import linux, memory
room = linux.room

@contextlib.contextmanager
def elsewhere(*wanted):
    with room(*wanted) as end:
        yield end - (6 << 20)

linux.room = elsewhere
layout = memory.Layout(8)
assert layout._filling == [], len(layout._filling)
layout.settle()
size = int(open("/proc/self/statm").read().split()[0]) * mmap.PAGESIZE
resource.setrlimit(resource.RLIMIT_AS, (size + 4096, resource.RLIM_INFINITY))
layout.collapse()
assert linux.move_heap_end(64 << 20) is False
`)
}

// TestMove: memory in use lies elsewhere afterwards, in huge pages where the kernel makes any, and nothing in the process notices.
func TestMove(t *testing.T) {
	runPython(t, `
import errno, gc, struct
from runner import linux, memory

def mappings():
    for line in open("/proc/self/maps"):
        field = line.split()
        if field[1] == "rw-p" and field[-1] != "[stack]":
            yield tuple(int(address, 16) for address in field[0].split("-"))

def runs():
    found = []
    for start, end in mappings():
        if found and sum(found[-1]) == start:
            found[-1] = found[-1][0], found[-1][1] + end - start
        else:
            found.append((start, end - start))
    return found

def in_huge_folios():
    count = 0
    with open("/proc/self/pagemap", "rb") as table, open("/proc/kpageflags", "rb", 0) as flags:
        for start, end in mappings():
            table.seek(start // 4096 * 8)
            for entry, in struct.iter_unpack("Q", table.read((end - start) // 4096 * 8)):
                if entry >> 63:
                    flags.seek((entry & (1 << 55) - 1) * 8)
                    count += struct.unpack("Q", flags.read(8))[0] >> 22 & 1
    return count

kept = {n: [str(n), float(n), {n: n}] for n in range(20000)}
want = repr(kept)
own = {address >> 12 << 12 for address in linux.threads_own()}
beside = [run for run in runs() if own & set(range(run[0], sum(run), 4096))]
assert beside and sum(size for _, size in beside) > 4096 * len(own), beside
several = len(list(mappings())) > len(runs())
assert several, "nothing to join"
try:
    for turn in range(20):
        memory.move(runs())
        assert repr(kept) == want
        del kept[turn]
        kept[turn] = [str(turn), float(turn), {turn: turn}]
        want = repr(kept)
        gc.collect()
except OSError as error:
    assert error.errno == errno.EINVAL and str(error).startswith("[Errno 22] collapse"), error  # no such thing before Linux 6.1
else:
    joined = [part for run in runs() for part in memory._without(own, *run)]
    memory.move(runs())
    inside = [start for start, _ in mappings() if any(first < start < first + size for first, size in joined)]
    assert not inside, inside
    try:
        flags = open("/proc/kpageflags", "rb").read(8)
    except OSError:
        flags = b""  # root's alone
    used = sum(size for _, size in joined) // 4096
    assert len(flags) < 8 or in_huge_folios() > used * 3 / 4, (in_huge_folios(), used)
import decimal, json, subprocess
assert json.loads(json.dumps({"a": [1.5]})) == {"a": [1.5]} and decimal.Decimal("1.10") + 1 == decimal.Decimal("2.1")

def no_collapse(*_):
    raise OSError(errno.EBUSY, "no huge page")

linux.collapse = no_collapse
before = list(mappings())
try:
    memory.move(runs())
except OSError:
    assert repr(kept) == want and len(list(mappings())) - len(before) in range(3)
else:
    raise AssertionError("moved to where no huge pages are")
`)
}

// TestHoldersOneOfTwo: where the host allows one more holder and not two, there is one.
func TestHoldersOneOfTwo(t *testing.T) {
	runPython(t, `
import errno, os
from runner import holder, linux
allowed = [4711]

def clone(*_):
    if not allowed:
        raise OSError(errno.ENOSPC, "no more namespaces")
    return allowed.pop()

linux.clone = clone
linux.setns = linux.keep_from_forks = linux.give_to_forks = lambda *_: None
os.pidfd_open = lambda pid: pid
holders = holder.Holders(0, apart=True)
assert holders.take() == 4711
try:
    holders.take()
except OSError as error:
    assert error.errno == errno.ENOSPC
else:
    raise AssertionError("a holder out of nothing")
allowed += 1, 2, 3
assert {holders.take(), holders.take()} == {2, 3} and allowed == [1], allowed
`)
}

// TestPins: what did not fit the limit at first is not pinned later either, when there is room: it has not left its huge pages.
func TestPins(t *testing.T) {
	runPython(t, `
import errno, os
from runner import linux, memory
limit, pinned = 3 << 20, []

def pin(ring, runs):
    if sum(size for _, size in runs) > limit:
        raise OSError(errno.ENOMEM, "no room")
    pinned.append(runs)

linux.pin, linux.unpin = pin, lambda ring: pinned.pop()
pins = memory.Pins(0, [(0x200000, 2 << 20), (0x800000, 2 << 20)])
assert pins.pages == 512 and pinned == [[(0x200000, 2 << 20)]], (pins.pages, pinned)
pins.unpin()
assert pins.pages == 0 and pinned == []
limit = 8 << 20
pins.pin()
pins.pin()
assert pins.pages == 512 and pinned == [[(0x200000, 2 << 20)]], (pins.pages, pinned)
limit = 0
try:
    memory.Pins(0, [(0x200000, 2 << 20)])
except OSError:
    pass
else:
    raise AssertionError("nothing fits, and nobody says so")
`)
}
