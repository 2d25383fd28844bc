"""Lays out the server's memory so that a fork of it costs little.

What a fork shares is paid for afterwards: the first write to a page of it, on either side, is a page fault and a copy, 5 to 20 us
each, and a script that does nothing makes 270 of them, one with pandas 1000. Pages that are pinned the fork copies by itself, for
half of that or less, and leaves the server's own alone. So the worker looks which pages the first children and the server have
written since they parted, and the server pins those (study.go).

All other pages cost a fork an entry each, which it copies and the end of the child takes back: 2.5 ms for 48 MB in pages of 4 kB,
0.25 ms in pages of 2 MB. So what Python allocates while the libraries load is kept in one piece, which is then made of huge pages. Of
a huge page that is pinned a fork would copy all. So pinned pages are taken out of theirs: whoever writes to a page of a huge one
that he shares gets a small one for it. What is left of the huge one needs an entry for each page again, but they are copied and taken
back together: 2.0 ms instead of 3.9 where one page in 25 is pinned.

It also copies a record for each mapping, of which a library has five: 0.3 ms for those of pandas. So they are made two.
"""
from __future__ import annotations

import errno
import mmap
import resource

from runner import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from runner.protocol import Run

_ARENA = 1 << 20  # what Python's allocator takes from the system at a time
_HUGE = 2 << 20

# So many objects of 440 bytes fill an arena, but for a pool or two; and the most arenas that there may be before any is set aside.
_FILLING, _ARENAS_BEFORE = 2100, 4

# Less than so many bytes are not worth pinning.
_LEAST_PINNED = 256 << 10

# Python's allocator serves requests of up to so many bytes, in steps, from pools of one size each; a pool's first object lies behind
# its header.
_SMALL, _STEP, _POOL, _POOL_HEADER = 512, 16, 16 << 10, 48
# What an empty bytes object takes.
_BYTES = bytes().__sizeof__()


class Layout:
    """Made before the libraries are loaded, settled and collapsed after; then comes what is pinned."""

    def __init__(self, count: int) -> None:
        self._heap = linux.heap_end()
        # Python takes a new arena only when the others are full, and gives one back when it is empty: fill as many as are
        # wanted, and keep one small object in each. Those that it had before lie where no huge page can be made: they are left
        # full.
        things: list[bytes | None] = [None] * (_FILLING * (count + _ARENAS_BEFORE))  # a list that grew would come to lie among the arenas
        with linux.room(count, _ARENA, _HUGE) as end:
            start, missing = end - count * _ARENA, _FILLING * count
            self._arenas = range(start, end, _ARENA)
            for i in range(len(things)):
                things[i] = bytes(440)
                missing -= start <= id(things[i]) < end
                if not missing:
                    break
        within = [thing for thing in things if start <= id(thing) < end]
        before = [thing for thing in things if thing and not start <= id(thing) < end]
        self._pins = list({id(thing) // _ARENA: thing for thing in within}.values())
        self._filling: list[Any] = [] if missing else before  # arenas that were made elsewhere would be kept full for nothing
        self._chunks: list[int] = []

    def settle(self) -> None:
        """To be called when the server has all that it will ever have."""
        self._chunks = sorted({id(pin) // _HUGE for pin in self._pins})
        self._pins.clear()
        self.used = sum(linux.is_mapped(arena, _ARENA) for arena in self._arenas)
        linux.tidy_heap()
        self._filling += [_fill_pools(size) for size in range(_BYTES + _STEP - _BYTES % _STEP, _SMALL + 1, _STEP)]
        _join_segments()

    def collapse(self) -> None:
        """Makes huge pages of what has been allocated."""
        for chunk in self._chunks:
            _collapse(chunk)
        beyond = -linux.heap_end() % _HUGE
        if not linux.move_heap_end(beyond):  # the last piece of it can then be one, too
            beyond = 0
        for chunk in range(self._heap // _HUGE, linux.heap_end() // _HUGE):
            _collapse(chunk)
        linux.move_heap_end(-beyond)


def _collapse(chunk: int) -> None:
    """Leaves it as it is where it cannot be a huge page: where not all of it is mapped, or nothing of it in use."""
    try:
        linux.collapse(chunk * _HUGE, _HUGE)
    except OSError:
        pass


def move(runs: list[Run]) -> None:
    """Has runs of memory lie in huge pages: (address, size) each. Each keeps its address and what is in it, and becomes one mapping where
    it was several. One that is whole huge pages need not move; the pages that the kernel itself writes to, the thread's own, must not."""
    for address, size in runs:
        if address % _HUGE == size % _HUGE == 0:
            _collapse(address // _HUGE)
    own = {address // mmap.PAGESIZE * mmap.PAGESIZE for address in linux.threads_own()}
    runs = [part for run in runs if run[0] % _HUGE or run[1] % _HUGE for part in _without(own, *run)]
    if not runs:
        return
    size = sum(size for _, size in runs)
    whole = -(-size // _HUGE) * _HUGE
    start = linux.allocate(whole, _HUGE)
    try:
        for chunk in range(start, start + whole, _HUGE):
            linux.copy(chunk, b"\0")
            linux.collapse(chunk, _HUGE)
        linux.replace(runs, start)
    except OSError:
        linux.free(start, whole)
        raise
    linux.free(start + size, whole - size)


def _without(pages: set[int], address: int, size: int) -> Iterator[Run]:
    """What is left of a run when these pages are taken out of it, (address, size) each."""
    end = address + size
    for page in sorted(pages):
        if address <= page < end:
            if address < page:
                yield address, page - address
            address = page + mmap.PAGESIZE
    if address < end:
        yield address, end - address


class Pins:
    """Pages that a fork copies, while they are pinned."""

    def __init__(self, ring: int, runs: list[Run]) -> None:
        """Pins as much as the limit on locked memory lets through, which all processes of a uid share. It never becomes more: whoever
        pins a page that has not left its huge page has forks copy all of that."""
        self._ring, self._runs, self.pages = ring, runs, 0
        hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
        while True:
            try:
                self.pin()
                return
            except OSError as error:
                size = sum(size for _, size in self._runs)
                if error.errno != errno.ENOMEM or size < _LEAST_PINNED:
                    raise
            self._runs = _first(self._runs, size // 2)

    def pin(self) -> None:
        if not self.pages:
            linux.pin(self._ring, self._runs)
            self.pages = sum(size for _, size in self._runs) // mmap.PAGESIZE

    def unpin(self) -> None:
        if self.pages:
            linux.unpin(self._ring)
            self.pages = 0


def _first(runs: list[Run], limit: int) -> list[Run]:
    kept = []
    for address, size in runs:
        size = min(size, limit) // mmap.PAGESIZE * mmap.PAGESIZE
        limit -= size
        if size:
            kept.append((address, size))
    return kept


def _fill_pools(size: int) -> list[bytes]:
    """Fills the pools for this size that have room left, with objects to be kept. From then on the first object of the size comes to
    lie beside its pool's header, in one page for a child to touch instead of two, or more where it would take from several."""
    filling = []
    for _ in range(8 * _POOL // size):
        filling.append(bytes(size - _BYTES))
        if id(filling[-1]) % _POOL == _POOL_HEADER:  # of a new pool: give it back
            filling.pop()
            break
    return filling


def _join_segments() -> None:
    """Neighbours that may be used in the same way become one mapping. What a library only reads can then also be run, and what it
    had no more to write to can be written: no wall between a job and anything, since it may ask for either itself."""
    for address, size, writable in linux.segments():
        start = address // mmap.PAGESIZE * mmap.PAGESIZE
        linux.protect(start, address + size - start, linux.PROT_READ | (linux.PROT_WRITE if writable else linux.PROT_EXEC))
