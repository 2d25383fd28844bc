"""The system calls that Python's own library lacks, through ctypes."""
from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from runner.protocol import Run

CLONE_VM, CLONE_SIGHAND, CLONE_THREAD = 0x100, 0x800, 0x10000
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x20000, 0x2000000, 0x4000000
CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x8000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 22, 24, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL, SECCOMP_MODE_FILTER = 4, 2

PT_LOAD, PF_W = 1, 2
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS = 0x1, 0x2, 0x10, 0x20

MREMAP_MAYMOVE, MREMAP_FIXED = 1, 2

MADV_DONTFORK, MADV_DOFORK = 10, 11
MADV_COLLAPSE = 25  # since Linux 6.1
_COLLAPSES = 10  # tried where the kernel has one of the pages in hand just then

SIG_SETMASK = 2
AT_SYSINFO_EHDR = 33

# io_uring's numbers are the same on every architecture. A ring made with R_DISABLED takes no work.
_IO_URING_SETUP, _IO_URING_REGISTER, _R_DISABLED, _REGISTER_BUFFERS, _UNREGISTER_BUFFERS = 425, 427, 1 << 6, 0, 1

# PyDLL keeps the interpreter lock: none of these calls waits, and giving the lock up costs more than the call.
_libc = ctypes.PyDLL(None, use_errno=True)
_int, _long, _ulong, _size, _pointer = ctypes.c_int, ctypes.c_long, ctypes.c_ulong, ctypes.c_size_t, ctypes.c_void_p


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., int]:
    """Looked up once and here: the search goes through the tables of every library, and a child would touch them all anew."""
    function: Any = getattr(_libc, name)
    function.restype, function.argtypes = result, arguments
    callable: Callable[..., int] = function
    return callable


_fork = _function("fork", _int)
_clone = _function("clone", _int, _pointer, _pointer, _int, _pointer)
_pthread_self = _function("pthread_self", _ulong)
_pthread_sigmask = _function("pthread_sigmask", _int, _int, _pointer, _pointer)
_getauxval = _function("getauxval", _ulong, _ulong)
_unshare = _function("unshare", _int, _int)
_setns = _function("setns", _int, _int, _int)
_mount = _function("mount", _int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, _ulong, ctypes.c_char_p)
_prctl = _function("prctl", _int, _int, _ulong, _ulong, _ulong, _ulong)
_capset = _function("capset", _int, _pointer, _pointer)
_getrandom = _function("getrandom", _long, _pointer, _size, ctypes.c_uint)
_madvise = _function("madvise", _int, _pointer, _size, _int)
_sbrk = _function("sbrk", _pointer, _long)
_malloc = _function("malloc", _pointer, _size)
_free = _function("free", None, _pointer)
_malloc_trim = _function("malloc_trim", _int, _size)
_setvbuf = _function("setvbuf", _int, _pointer, _pointer, _int, _size)
_fflush = _function("fflush", _int, _pointer)
_mmap = _function("mmap", _pointer, _pointer, _size, _int, _int, _int, _long)
_munmap = _function("munmap", _int, _pointer, _size)
_mincore = _function("mincore", _int, _pointer, _size, ctypes.c_char_p)
_memcmp = _function("memcmp", _int, _pointer, _pointer, _size)
_mprotect = _function("mprotect", _int, _pointer, _size, _int)
_syscall = _function("syscall", _long, _long, _long, _pointer, _pointer, _ulong)
_dl_iterate_phdr = _function("dl_iterate_phdr", _int, _pointer, _pointer)
_memmove = _function("memmove", _pointer, _pointer, ctypes.c_char_p, _size)


def _failed(name: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, "%s: %s" % (name, os.strerror(number)))


def _map(address: int | None, size: int, mode: int, flags: int, fd: int) -> int:
    where = _mmap(address, size, mode, flags, fd, 0)
    if where == _pointer(-1).value:
        raise _failed("mmap")
    return where


def fork() -> int:
    """fork(2) without Python's own hooks around it, which touch 125 pages in the child: 0.3 ms. They put locks and threads in
    order, of which a process of one thread has none, and seed generators anew, which is for the caller to do."""
    pid = _fork()
    if pid < 0:
        raise _failed("fork")
    return pid


def clone(function: int, stack: int, flags: int, argument: int | None) -> int:
    """A process that starts in a C function, on a stack that it is given the top of; its pid."""
    pid = _clone(function, stack, flags, argument)
    if pid < 0:
        raise _failed("clone")
    return pid


def address_of(name: str) -> int:
    """Of a function of the C library."""
    return ctypes.cast(getattr(_libc, name), _pointer).value or 0


def threads_own() -> tuple[int, ...]:
    """Addresses in the thread's own memory: where it begins, and the note of its processor that the kernel keeps there (rseq)."""
    start = _pthread_self()
    try:
        return start, start + ctypes.c_ssize_t.in_dll(_libc, "__rseq_offset").value
    except ValueError:
        return (start,)  # a C library that asks for none


def places_of_a_clone() -> tuple[int, ...]:
    """Addresses of what a clone that makes one system call needs besides a stack: code, and the thread's own memory."""
    return address_of("clone"), address_of("syscall"), *threads_own()


def vdso() -> int:
    """Where the kernel has put code of its own into this process; 0 where it has not."""
    return _getauxval(AT_SYSINFO_EHDR)


def keep_from_forks(ranges: Iterable[Run]) -> None:
    """Has forks leave out memory, (address, size) each. Fails for want of memory between the mappings, and is done all the same."""
    for address, size in ranges:
        _madvise(address, size, MADV_DONTFORK)


def give_to_forks(ranges: Iterable[Run]) -> None:
    for address, size in ranges:
        if _madvise(address, size, MADV_DOFORK) != 0 and ctypes.get_errno() != errno.ENOMEM:
            # Everything behind it would stay out of forks.
            raise OSError(ctypes.get_errno(), "a preloaded library has mapped memory that cannot be given to a fork again")


_ALL_SIGNALS = ctypes.create_string_buffer(b"\xff" * 128, 128)
_SIGNALS_BEFORE = ctypes.create_string_buffer(128)
_SIGNALS = ctypes.addressof(_ALL_SIGNALS), ctypes.addressof(_SIGNALS_BEFORE)


def block_signals() -> None:
    _pthread_sigmask(SIG_SETMASK, *_SIGNALS)


def unblock_signals() -> None:
    _pthread_sigmask(SIG_SETMASK, _SIGNALS[1], None)


def setns(fd: int, flags: int) -> None:
    if _setns(fd, flags) != 0:
        raise _failed("setns(%#x)" % flags)


def mount_tmpfs(path: bytes, options: bytes) -> None:
    if _mount(b"tmpfs", path, b"tmpfs", MS_NOSUID | MS_NODEV, options) != 0:
        raise _failed("mount tmpfs on " + path.decode())


def mount_folder(folder: bytes, path: bytes) -> None:
    """Shows a folder at another place as well."""
    if _mount(folder, path, None, MS_BIND, None) != 0:
        raise _failed("mount %s on %s" % (folder.decode(), path.decode()))


def remount(path: bytes, read_only: bool, options: bytes | None = None) -> None:
    """With options it is the file system that changes, else the mount alone."""
    flags = MS_REMOUNT | MS_NOSUID | MS_NODEV | (MS_RDONLY if read_only else 0) | (0 if options else MS_BIND)
    if _mount(None, path, None, flags, options) != 0:
        raise _failed("remount " + path.decode())


def mount_read_only(path: str) -> None:
    """Has what is mounted there take no more writes to itself: a device still takes those that are for it. The flags that it has stay,
    as they must in a user namespace."""
    had = os.statvfs(path).f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if not had & MS_RDONLY and _mount(None, path.encode(), None, MS_REMOUNT | MS_BIND | MS_RDONLY | had, None) != 0:
        raise _failed("mount %s read-only" % path)


def no_new_privileges() -> None:
    if _prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise _failed("no_new_privs")


def single_threaded() -> bool:
    """The kernel's own word: these flags are a no-op for a process of one thread and refused for any other."""
    return _unshare(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM) == 0


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


# Made once: a child that built them anew would pay for the pages they lie in.
_CAP_HEADER = _CapHeader(0x20080522, 0)
_NO_CAPABILITIES = (_CapData * 2)()
_CAPSET = ctypes.addressof(_CAP_HEADER), ctypes.addressof(_NO_CAPABILITIES)


def drop_bounding_set() -> None:
    """Takes every capability out of what this process and its children can ever gain; needs CAP_SETPCAP. Those it has, it keeps."""
    for capability in range(64):
        if _prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # past the kernel's last one


def end_with_parent() -> None:
    """Has the kernel kill this process when the one that started it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def clear_ambient_capabilities() -> None:
    """What this process's children would keep across a change of uid."""
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def drop_capabilities() -> None:
    if _capset(*_CAPSET) != 0:
        raise _failed("capset")


class _SockFprog(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", _pointer)]


# What the ids of a process's clocks have in common: see clock_getcpuclockid.
_CLOCK_BITS = 3


class Filter:
    """A seccomp program: the filter's instructions, 8 bytes each, as the kernel reads them. It lets through what names the process
    that it was made for by its pid, which another writes its own over."""

    def __init__(self, program: bytes, pid: int, pid_at: Sequence[int], clock_at: Sequence[int]) -> None:
        self._code = ctypes.create_string_buffer(program, len(program))
        self._program = _SockFprog(len(program) // 8, ctypes.addressof(self._code))
        self._address = ctypes.addressof(self._program)
        self._pid, self._pid_at, self._clock_at = pid, pid_at, clock_at

    def install(self) -> None:
        pid = os.getpid()
        if pid != self._pid:
            self._write(self._pid_at, pid)
            self._write(self._clock_at, ~pid << _CLOCK_BITS)
        if _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._address, 0, 0) != 0:
            raise _failed("seccomp")

    def _write(self, places: Sequence[int], value: int) -> None:
        for at in places:
            ctypes.c_uint32.from_buffer(self._code, at).value = value


def fill_random(address: int, size: int) -> None:
    """Overwrites memory with what the kernel's generator gives."""
    if _getrandom(address, size, 0) != size:
        raise _failed("getrandom")


def memory_of(thing: object, size: int) -> bytes:
    """The first bytes of a Python object as it lies in memory."""
    return ctypes.string_at(id(thing), size)


def copy(address: int, data: bytes) -> None:
    _memmove(address, data, len(data))


def tidy_heap() -> None:
    """Has the C library join its free pieces and sort them, and give whole free pages back. It would otherwise do so in every
    child, at its first large request, touching each piece: 600 pages after pandas."""
    _malloc_trim(0)
    _free(_malloc(100 << 10))


def heap_end() -> int:
    return _sbrk(0)


def move_heap_end(by: int) -> bool:
    """False where the heap cannot grow."""
    return _sbrk(by) != _pointer(-1).value


@contextlib.contextmanager
def room(count: int, size: int, alignment: int) -> Iterator[int]:
    """Meanwhile the next count mappings of size come to lie one below the other, the first one's end at a multiple of alignment: there.
    What they would lie in otherwise, further up, is taken out of use for so long."""
    taken = []

    def take(length: int, address: int | None = None) -> int:
        address = _map(address, length, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1)
        taken.append((address, length))
        return address

    whole = count * size + alignment
    end = take(whole) + whole
    _munmap(*taken.pop())
    while take(size) >= end:
        pass
    gap, _ = taken[-1]
    _munmap(*taken.pop())
    beyond = (gap + size) % alignment
    if beyond:
        take(beyond, gap + size - beyond)
    try:
        yield gap + size - beyond
    finally:
        for mapped in taken:
            _munmap(*mapped)


def is_mapped(address: int, size: int) -> bool:
    """False where any page of a range is no memory at all."""
    return _mincore(address, size, bytes(size // mmap.PAGESIZE)) == 0


def collapse(address: int, size: int) -> None:
    """Makes huge pages of a range that is mapped in one piece."""
    for _ in range(_COLLAPSES):
        if _madvise(address, size, MADV_COLLAPSE) == 0:
            return
        if ctypes.get_errno() != errno.EAGAIN:
            break
    raise _failed("collapse")


# More than any architecture's context takes, and what a call needs for a stack.
_CONTEXT, _CALL_STACK = 8 << 10, 16 << 10
# Where a context keeps the one to go on with behind it, and its own stack's address and size.
_LINK, _STACK_ADDRESS, _STACK_SIZE = 8, 16, 32


def allocate(size: int, alignment: int) -> int:
    """New memory at a multiple of alignment; where it starts."""
    address = _map(None, size + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)
    start = -(-address // alignment) * alignment
    free(address, start - address)
    free(start + size, address + alignment - start)
    return start


def free(address: int, size: int) -> None:
    if size:
        _munmap(address, size)


def replace(runs: Iterable[Run], start: int) -> None:
    """Copies runs of memory, (address, size) each, to memory that lies at start, and moves that to where they were."""
    calls: list[tuple[Any, ...]] = []
    for address, size in runs:
        calls += ("memmove", start, address, size), ("mremap", start, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, address)
        start += size
    _call_in_turn(calls)


def _call_in_turn(calls: Sequence[tuple[Any, ...]]) -> None:
    """Calls functions of the C library, (name, arguments...) each, one straight after the other: no line of Python runs in between, which
    could write to memory that they are about to replace, and no signal is taken. What they return is lost."""
    try:
        getcontext, makecontext, swapcontext = _libc.getcontext, _libc.makecontext, _libc.swapcontext
    except AttributeError:
        raise OSError(errno.ENOSYS, "this C library has no contexts") from None
    each = _CONTEXT + _CALL_STACK
    size = each * (len(calls) + 1)
    start = _map(None, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)
    contexts = [start + each * i for i in range(len(calls) + 1)]
    block_signals()
    for context, following, (name, *arguments) in zip(contexts[1:], contexts[2:] + contexts[:1], calls):
        getcontext(_pointer(context))
        for field, value in (_LINK, following), (_STACK_ADDRESS, context + _CONTEXT), (_STACK_SIZE, _CALL_STACK):
            _ulong.from_address(context + field).value = value
        makecontext(_pointer(context), _pointer(address_of(name)), len(arguments), *map(_ulong, arguments))
    swapcontext(_pointer(contexts[0]), _pointer(contexts[1]))
    unblock_signals()
    free(start, size)


def ring() -> int:
    """A descriptor that memory can be pinned by, which takes no work and is never used for any."""
    parameters = (ctypes.c_uint32 * 30)()
    parameters[2] = _R_DISABLED
    fd = _syscall(_IO_URING_SETUP, 1, ctypes.addressof(parameters), None, 0)
    if fd < 0:
        raise _failed("io_uring_setup")
    return fd


def pin(ring: int, runs: Sequence[Run]) -> None:
    """Pins ranges of memory, (address, size) each, where they lie: a fork copies pinned pages at once, since what has been told to
    a device must not move, and shares them neither with the child nor by copy-on-write. They are the ring's buffers, and are
    so once: until unpin, or the ring's end."""
    vector = (ctypes.c_uint64 * (2 * len(runs)))(*(part for run in runs for part in run))
    if _syscall(_IO_URING_REGISTER, ring, _REGISTER_BUFFERS, ctypes.addressof(vector), len(runs)) < 0:
        raise _failed("io_uring_register")


def unpin(ring: int) -> None:
    if _syscall(_IO_URING_REGISTER, ring, _UNREGISTER_BUFFERS, None, 0) < 0:
        raise _failed("io_uring_register")


class _Segment(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint32), ("flags", ctypes.c_uint32)] + [
        (name, ctypes.c_uint64) for name in ("offset", "address", "physical", "file_size", "memory_size", "align")
    ]


class _Library(ctypes.Structure):
    _fields_ = [("base", ctypes.c_uint64), ("name", ctypes.c_char_p), ("segments", ctypes.POINTER(_Segment)), ("count", ctypes.c_uint16)]


def segments() -> list[tuple[int, int, bool]]:
    """Of all that is loaded into this process: each segment's address, size and whether it can be written to."""
    found = []

    def visit(library: Any, _size: int, _data: int) -> int:
        library = library.contents
        for segment in library.segments[: library.count]:
            if segment.type == PT_LOAD:
                found.append((library.base + segment.address, segment.file_size, bool(segment.flags & PF_W)))
        return 0

    _dl_iterate_phdr(ctypes.CFUNCTYPE(_int, ctypes.POINTER(_Library), _size, _pointer)(visit), None)
    return found


def protect(address: int, size: int, mode: int) -> bool:
    return _mprotect(address, size, mode) == 0


def map_over(fd: int, address: int, size: int) -> bool:
    """Maps a file to be read and run, over memory that holds the same; False, and nothing is changed, where it holds anything else."""
    mode = PROT_READ | PROT_EXEC
    beside = _map(None, size, mode, MAP_SHARED, fd)
    same = _memcmp(beside, address, size) == 0
    _munmap(beside, size)
    if same:
        _map(address, size, mode, MAP_SHARED | MAP_FIXED, fd)
    return same


def unbuffer_c_stdout() -> None:
    """C code's output in its place among Python's, and not lost with a process that is killed."""
    _setvbuf(_pointer.in_dll(_libc, "stdout"), None, 2, 0)


def flush_c_streams() -> None:
    """What C code left in its own buffers; Python's do not know of them."""
    _fflush(None)
