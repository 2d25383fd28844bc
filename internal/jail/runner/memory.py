"""Lays out the server's memory so that a fork of it costs little.

A fork copies one entry for each page, and the end of the child takes each back: 2.3 ms for 60 MB in pages of 4 kB, 0.2 ms in
pages of 2 MB. So what Python allocates while the libraries load is kept in one piece, which is then made of huge pages. It also
copies a record for each mapping, of which a library has five: 0.3 ms for those of pandas. So they are made two.
"""
import mmap

from runner import linux

_ARENA = 1 << 20  # what Python's allocator takes from the system at a time
_HUGE = 2 << 20

# Arenas to set aside: pandas and all it brings needs 24, the standard library alone 6. What is over is given back.
_ARENAS, _ARENAS_ALONE = 48, 8


class Layout:
    """Made before the libraries are loaded, settled after."""

    def __init__(self, preload):
        # Python takes a new arena only when the others are full, and gives one back when it is empty: fill as many as are
        # wanted in one go, and keep one small object in each.
        each = _ARENA // 512
        self._pins = [[bytes(440) for _ in range(each)] for _ in range(_ARENAS if preload else _ARENAS_ALONE)]
        self._pins = [filled[each // 2] for filled in self._pins]

    def settle(self):
        """To be called when the server has all that it will ever have."""
        chunks = sorted({id(pin) // _HUGE for pin in self._pins})
        self._pins.clear()
        linux.tidy_heap()
        for chunk in chunks:
            linux.collapse(chunk * _HUGE, _HUGE)
        chunk = linux.heap_end() // _HUGE - 1
        while linux.collapse(chunk * _HUGE, _HUGE):
            chunk -= 1
        _join_segments()


def _join_segments():
    """Neighbours that may be used in the same way become one mapping. What a library only reads can then also be run, and what it
    had no more to write to can be written: no wall between a job and anything, since it may ask for either itself."""
    for address, size, writable in linux.segments():
        start = address // mmap.PAGESIZE * mmap.PAGESIZE
        linux.protect(start, address + size - start, linux.PROT_READ | (linux.PROT_WRITE if writable else linux.PROT_EXEC))
