"""Makes a jail look to ordinary code like a small machine of the job's own: files where libraries look for them, and the few answers of
the kernel that no namespace covers. None of it is a wall. All of it is done once, before the first fork."""
from __future__ import annotations

import errno
import functools
import inspect
import mmap
import os
import posix
import resource
import struct
import sys
import types

from runner import figures, linux, notebook, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from runner.protocol import Machine, Settings

    Change = Callable[[Any], None]

# What a job has, whatever the host has.
_PROCESSORS = 1
USER = "user"

# Of the root. One that has none is as large as half of the host's memory, and says so to whoever asks.
_SIZE = b"size=16m,nr_inodes=4096"

_CACHE = "/etc/ld.so.cache"
_MAGIC, _HEADER, _ENTRY = b"glibc-ld.so.cache1.1", 48, struct.Struct("=iIIIQ")
# What the cache says of a library for this processor: its kind, and the architecture's bit of its flags.
_KINDS = {"x86_64": 0x0303, "aarch64": 0x0A03}


class Root:
    """The jail's root, which the backend has made and closed: open to this process while it puts its own files there."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._measured: dict[str, str] = {}
        self.laid_out = False
        # Where it was never closed, it is not for here to say that it is.
        self._closed = bool(os.statvfs("/").f_flag & os.ST_RDONLY)
        self._device = os.lstat("/").st_dev

    def lay_out(self) -> None:
        """Fails nowhere: a jail without these is as safe, and as good for most scripts."""
        try:
            if self._closed:
                linux.remount(b"/", read_only=False)
            for path, text in self._machine["files"].items():
                if "@" in text and path.startswith(("/proc/", "/sys/")):
                    self._measured[path] = text
                else:
                    self._write(path, text)
            for path, target in self._machine["links"].items():
                if self._free(path):
                    os.symlink(target, path)
            for path in self._machine["pipes"]:
                if self._free(path):
                    os.mkfifo(path, 0)
            os.makedirs(self._machine["mount"])
            self.laid_out = True
        except OSError:
            pass

    def close(self) -> None:
        """With what has been found out meanwhile. From here on nothing is written to it."""
        if self.laid_out:
            # What the jail has loaded is not the job's: beside its limit, which is all the memory of this machine, it is shown as small.
            rss = min(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10, os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE // 10)
            measures = {"@rss_kb@": rss >> 10, "@rss_pages@": rss // mmap.PAGESIZE, "@rss@": rss}
            for path, text in self._measured.items():
                for name, value in measures.items():
                    text = text.replace(name, str(value))
                self._write(path, text)
        if self._closed:
            linux.remount(b"/", read_only=True)
            try:
                linux.remount(b"/", read_only=True, options=_SIZE)
            except OSError:
                pass  # it is as closed with another size

    def place(self) -> str:
        """Where a job's tmpfs is to be mounted, empty where there is no folder for it."""
        return self._machine["mount"] if self.laid_out else ""

    def _free(self, path: str) -> bool:
        """Whether path is free, and in this file system: what the backend has mounted is not written to."""
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        return os.stat(folder).st_dev == self._device and not os.path.lexists(path)

    def _write(self, path: str, text: str) -> None:
        if self._free(path):
            with open(path, "x", encoding="utf-8") as f:
                f.write(text)


def introduce(settings: Settings) -> None:
    """Has Python say of processors, memory and user what is true of the job. C code that asks the kernel for processors and memory hears
    of the host."""
    pages = (settings["memory_mb"] << 20) // mmap.PAGESIZE
    own: dict[str | int, int] = {
        "SC_NPROCESSORS_ONLN": _PROCESSORS, "SC_NPROCESSORS_CONF": _PROCESSORS, "SC_PHYS_PAGES": pages, "SC_AVPHYS_PAGES": pages,
    }  # fmt: skip
    own.update({os.sysconf_names[name]: value for name, value in own.items() if isinstance(name, str) and name in os.sysconf_names})
    kernels_sysconf, kernels_affinity = os.sysconf, os.sched_getaffinity

    def sysconf(name: str | int, /) -> int:
        value = own.get(name) if isinstance(name, (str, int)) else None
        return kernels_sysconf(name) if value is None else value

    def sched_getaffinity(pid: int, /) -> set[int]:
        kernels_affinity(pid)  # for its errors
        return set(range(_PROCESSORS))

    module: Any
    for module in (os, posix):
        module.sysconf, module.sched_getaffinity = sysconf, sched_getaffinity
        module.cpu_count = lambda: _PROCESSORS
        module.getloadavg = lambda: (0.0, 0.0, 0.0)
        module.system = _no_shell
    changes: dict[str, Change] = {
        "ctypes.util": _find_libraries, "asyncio.base_events": _say_that_nobody_listens, "matplotlib.backend_bases": figures.adopt,
    }  # fmt: skip
    if settings["once"]:
        changes["multiprocessing.heap"] = _share_in_the_working_directory
        sys.modules["_multiprocessing"] = _semaphores()
        _name_user(settings["directory"])
    sys.meta_path.insert(0, _Changes(changes))
    sys.meta_path.append(notebook.Finder())
    _name_frames()


def _name_frames() -> None:
    """inspect looks through all modules, each time, for one whose file is that of a frame. The runner's frames, which are below a script's,
    come from no file, so that a look at the stack took milliseconds; pandas takes one for each of its warnings."""
    own: Any = inspect
    for name in sys.modules:
        if name.startswith("runner."):
            own.modulesbyfile["<runner/%s.py>" % name.removeprefix("runner.")] = ""  # which is none
    own.modulesbyfile.update({"<string>": "", report.SCRIPT: "__main__"})


def _no_shell(command: object) -> int:
    """The C library's answers 127 where it cannot start one, which nobody looks at."""
    sys.audit("os.system", command)
    raise _refused(PermissionError(errno.EPERM, os.strerror(errno.EPERM)), "process")


def _refused(error: Any, wall: str) -> Any:
    """The error, saying of itself which wall it comes from; see hints.py."""
    error.wall = wall
    return error


def _say_that_nobody_listens(module: Any) -> None:
    """A server of asyncio leaves out each address that it gets no socket for, and then waits for ever with none."""
    create_server = module.BaseEventLoop.create_server

    @functools.wraps(create_server)
    async def checked(*args: Any, **named: Any) -> Any:
        server = await create_server(*args, **named)
        if server._sockets is not None and not server._sockets:
            raise _refused(OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)), "network")
        return server

    module.BaseEventLoop.create_server = checked


class _Changes:
    """Has modules changed as soon as they are imported, which most jobs do not; stands before all other finders."""

    def __init__(self, changes: dict[str, Change]) -> None:
        self._changes = {name: change for name, change in changes.items() if name not in sys.modules}
        for name in changes.keys() - self._changes.keys():
            changes[name](sys.modules[name])

    def find_spec(self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        change = self._changes.get(name)
        if change is None:
            return None
        external: Any = sys.modules["_frozen_importlib_external"]
        spec: Any = external.PathFinder.find_spec(name, path)
        if spec is not None:
            spec.loader = _Changing(spec.loader, change)
        changed: ModuleSpec | None = spec
        return changed


class _Changing:
    def __init__(self, loader: Any, change: Change) -> None:
        self._loader, self._change = loader, change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: Any) -> None:
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._change(module)


def _find_libraries(module: Any) -> None:
    """ctypes.util asks ldconfig, gcc and ld, which are other programs; what ldconfig prints is read here where it reads it."""

    def of_cache(name: str) -> str | None:
        start = "lib%s.so" % name
        try:
            for library, path in _cached():
                if (library == start or library.startswith(start + ".")) and os.path.exists(path):
                    return library
        except (OSError, ValueError, struct.error):
            pass  # no cache, or one of another form
        return None

    module._findSoname_ldconfig = of_cache


def _cached() -> Iterator[tuple[str, str]]:
    """What /etc/ld.so.cache lists for this processor, in its order: each library's name and path."""
    with open(_CACHE, "rb") as f:
        cache = f.read()
    start = cache.index(_MAGIC)
    (count,) = struct.unpack_from("=I", cache, start + len(_MAGIC))
    kind = _KINDS.get(os.uname().machine)

    def text(at: int) -> str:
        at += start
        return cache[at : cache.index(b"\0", at)].decode(errors="surrogateescape")

    for flags, name, path, _, _ in _ENTRY.iter_unpack(cache[start + _HEADER : start + _HEADER + count * _ENTRY.size]):
        if kind is None or flags == kind:
            yield text(name), text(path)


def _semaphores() -> ModuleType:
    """_multiprocessing where there is no /dev/shm of the job's own, which the kernel's semaphores have their names in: at level process.
    A job is one process, for whose threads these do as well."""
    import threading

    class SemLock:
        SEM_VALUE_MAX = 0x7FFFFFFF

        def __init__(self, kind: int, value: int, maxvalue: int, name: str, unlink: bool) -> None:
            self.kind, self.maxvalue, self.name, self.handle = kind, maxvalue, None if unlink else name, id(self)
            self._value, self._held, self._changed = value, 0, threading.Condition(threading.Lock())
            self._owner: int | None = None

        def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
            if self.kind == 0 and self._is_mine():
                self._held += 1
                return True
            with self._changed:
                patience = None if timeout is None else max(timeout, 0)
                if not self._changed.wait_for(lambda: self._value > 0, patience if block else 0):
                    return False
                self._value -= 1
                self._held += 1
                self._owner = threading.get_ident()
                return True

        def release(self) -> None:
            if self.kind == 0:
                if not self._is_mine():
                    raise AssertionError("attempt to release recursive lock not owned by thread")
                if self._held > 1:
                    self._held -= 1
                    return
            with self._changed:
                if self._value >= self.maxvalue:
                    raise ValueError("semaphore or lock released too many times")
                self._held -= 1
                self._value += 1
                self._changed.notify()

        def __enter__(self) -> bool:
            return self.acquire()

        def __exit__(self, *_: object) -> None:
            self.release()

        def _count(self) -> int:
            return self._held

        def _is_mine(self) -> bool:
            return self._held > 0 and self._owner == threading.get_ident()

        def _get_value(self) -> int:
            return self._value

        def _is_zero(self) -> bool:
            return self._value == 0

        def _after_fork(self) -> None:
            pass

    module: Any = types.ModuleType("_multiprocessing")
    module.SemLock, module.sem_unlink, module.flags = SemLock, lambda name: None, {"HAVE_SEM_OPEN": 1, "HAVE_SEM_TIMEDWAIT": 1}
    made: ModuleType = module
    return made


def _share_in_the_working_directory(module: Any) -> None:
    module.Arena._dir_candidates.clear()


def _name_user(home: str) -> None:
    """The uid is drawn for each jail at level process, and stands in no file."""
    import grp
    import pwd

    uid, gid = os.getuid(), os.getgid()
    user = pwd.struct_passwd((USER, "x", uid, gid, USER, home, "/usr/sbin/nologin"))
    group = grp.struct_group((USER, "x", gid, []))
    for module, by_id, by_name, everyone, own in (
        (pwd, "getpwuid", "getpwnam", "getpwall", user), (grp, "getgrgid", "getgrnam", "getgrall", group),
    ):
        setattr(module, by_id, _known(getattr(module, by_id), {own[2]: own}))
        setattr(module, by_name, _known(getattr(module, by_name), {USER: own}))
        setattr(module, everyone, _with(getattr(module, everyone), own))


def _known(ask: Callable[[Any], Any], answers: dict[Any, Any]) -> Callable[[Any], Any]:
    return lambda key, /: answers[key] if isinstance(key, (int, str)) and key in answers else ask(key)


def _with(everyone: Callable[[], list[Any]], own: Any) -> Callable[[], list[Any]]:
    return lambda: [entry for entry in everyone() if entry[0] != USER] + [own]
