"""The fork server: Python with its libraries loaded, single-threaded, forking one child per job.

It reads what the worker sends and the exit status of its children; nothing that a child wrote.
"""
from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import select
import signal
import site
import socket
import struct
import sys

from runner import denied, holder, job, libraries, linux, machine, memory, rehearse, walls

TYPE_CHECKING = False
if TYPE_CHECKING:
    import resource
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, NoReturn

    from runner.protocol import Run, Settings

# Modules of the standard library that scripts use often and that cost little to keep.
_COMMON = (
    "ast bisect collections contextlib copy csv dataclasses datetime decimal enum fractions functools heapq io itertools"
    " json math operator random re statistics string textwrap time traceback typing uuid"
).split()

# What costs more is only in the server that is large anyhow, to which the worker sends whatever mentions it.
_LARGE = ("asyncio", "hashlib")

# The server's own descriptors are this or more.
_OWN_FDS = 16

# What comes with an order to fork: the job's descriptors, which the kernel has given the lowest free numbers.
_ITS_FDS = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("5i", *walls.FDS))]
_ROOM = socket.CMSG_SPACE(len(_ITS_FDS[0][2]))
_FORKED = [b"forked"]


class _Absent:
    """In the place of what a job's system call filter refuses: whoever looks for it first goes another way."""

    def __get__(self, *_: object) -> Any:
        raise AttributeError("sendmsg is refused in a job")


# From Python 3.12 on asyncio writes by it where there is one. The server's own is called past that.
_sendmsg = socket.socket.sendmsg
setattr(socket.socket, "sendmsg", _Absent())

# Ended holders are looked after when nothing else has been to do for so long.
_BURIAL_MS = 5

# The longest list of runs of memory.
_RUNS_BYTES = 64 << 10


def main(control: socket.socket, settings: Settings, layout: memory.Layout) -> NoReturn:
    """Never returns. Where the host allows no inner namespaces, the one job of this process runs in it."""
    try:
        os.umask(0o022)
        if settings["drop_bounding"]:
            linux.drop_bounding_set()
        if not settings["once"]:
            _protect_devices()
        control = socket.socket(fileno=_out_of_the_way(control.detach()))
        machine.introduce(settings)
        root = settings["machine"] and machine.Root(settings["machine"])
        if root:
            root.lay_out()
        _keep_places()
        gc.disable()  # the libraries leave little that it could free, and it would look through all of it again and again
        hooks = _ForkHooks()
        site.main()
        ready = _preload(settings["preload"], settings["optional"])
        checks = denied.Checks(settings["denied"], settings["program_denied"])
        rehearse.warm_up()
        if settings["once"]:
            control.send(json.dumps(ready).encode())
            _serve_once(control, settings, checks)
        if not libraries.single_threaded():
            raise RuntimeError("a preloaded library has started a thread; a fork server must have none")
        if root:
            root.close()
        holders = holder.Holders(_out_of_the_way(os.pidfd_open(os.getpid())), apart=settings["uid"] is not None)
        server = Server(control, holders, settings, checks, hooks.fork(), layout, root.place() if root else "")
        gc.collect()
        layout.settle()
        layout.collapse()
        gc.freeze()
    except BaseException as error:
        control.send(json.dumps({"error": str(error) or repr(error)}).encode())
        os._exit(1)
    control.send(json.dumps({**ready, "arenas": layout.used}).encode())
    try:
        server.serve()
    except BaseException as error:
        control.send(json.dumps({"error": "%s: %s" % (type(error).__name__, error)}).encode())
    os._exit(1)


def _protect_devices() -> None:
    """They are the host's own. bubblewrap has no way to show one that can be used and whose times cannot be set, by which jobs could
    leave each other word."""
    for name in os.listdir("/dev"):
        linux.mount_read_only("/dev/" + name)


def _out_of_the_way(fd: int) -> int:
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _OWN_FDS)
    os.close(fd)
    return moved


def _keep_places() -> None:
    """Keeps the descriptors 0 to 4 for what a job gets: the kernel gives those that it receives the lowest free numbers."""
    for fd in walls.FDS:
        try:
            os.fstat(fd)
        except OSError:
            os.dup2(walls.STDERR, fd)  # else a library might open something there


def _take_order(control: socket.socket, others: dict[bytes, Callable[..., None]] | None = None) -> None:
    """Waits for the next order to fork; 0 to 4, free until then, are its job's descriptors after. others are what else may be ordered:
    functions of the words behind their names."""
    while True:
        order, ancillary, _, _ = control.recvmsg(64, _ROOM)
        if not order:
            os._exit(0)  # the worker is gone
        if order == b"fork":
            if ancillary != _ITS_FDS:
                raise RuntimeError("a job's descriptors came as %s" % ancillary)
            return
        name, *words = order.split()
        if others and name in others:
            others[name](*words)
        # What else there is is a kill that its child's end has overtaken.


class _ForkHooks:
    """Notices libraries that want to be called around a fork; to be made before any is imported."""

    def __init__(self) -> None:
        self.wanted_by: list[str] = []
        register = os.register_at_fork

        def noticed(**hooks: Any) -> None:
            # The standard library's are about locks, of which a process of one thread holds none, and random, which is seeded.
            # Whose they are is told by the caller: what is registered may be a partial or a method of a dict.
            caller = sys._getframe(1).f_globals.get("__name__") or ""
            if caller.split(".")[0] not in sys.stdlib_module_names:
                self.wanted_by.append(caller)
            register(**hooks)

        os.register_at_fork = noticed

    def fork(self) -> Callable[[], int]:
        """The cheapest fork that leaves nothing out."""
        return os.fork if self.wanted_by else linux.fork


def _preload(names: list[str], optional: list[str]) -> dict[str, Any]:
    """What the worker is told: versions, what is loaded beside the standard library, and which of the optional ones are not, and why."""
    versions, unloaded = {"python": "%d.%d.%d" % sys.version_info[:3]}, {}
    for name in (*_COMMON, *(_LARGE if names else ())):
        __import__(name)
    for name in names:
        try:
            libraries.load(name)
        except BaseException as error:
            why = "%s: %s" % (type(error).__name__, error)
            if name not in optional:
                raise ImportError("JAIL_PRELOAD: import of %s failed: %s" % (name, why)) from None
            unloaded[name] = why[:200]
            continue
        versions[name] = str(getattr(sys.modules[name], "__version__", ""))
    loaded = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"runner"}
    return {"ready": versions, "loaded": sorted(loaded), "unloaded": unloaded}


class Server:
    """Forks one child per job. What the children have in common is made here, before the first: they would each pay for the
    pages of their own."""

    def __init__(
        self, control: socket.socket, holders: holder.Holders, settings: Settings, checks: denied.Checks, fork: Callable[[], int],
        layout: memory.Layout, place: str,
    ) -> None:  # fmt: skip
        self._control, self._holders, self._fork, self._layout = control, holders, fork, layout
        self._orders, self._poll = select.poll(), select.poll()
        self._orders.register(control, select.POLLIN)
        self._poll.register(control, select.POLLIN)
        self._end: int | None = None
        self._folders = holder.Folders(settings["tmpfs"], place)
        self._uid = -1 if settings["uid"] is None else settings["uid"]
        self._rehearse = settings["rehearse"]
        self._walls = walls.Walls(settings)
        self._seeds = walls.Seeds()
        self._studied, self._shared = settings["study"], 0
        # What is pinned for every job, for one with data frames, what that is to be once some are expected, and whether they are.
        self._pins: memory.Pins | None = None
        self._frame_pins: memory.Pins | None = None
        self._frame_runs: list[Run] = []
        self._frames = True
        with _pipes():
            self._runner = job.Runner(settings, checks)

    def serve(self) -> NoReturn:
        if self._studied:
            self._move()
            self._shadow = self._make_shadow()
        self._walls.found()
        self._credentials = os.getuid(), os.getgid()
        os.closerange(0, len(walls.FDS))
        control = self._control
        self._holders.make()
        others: dict[bytes, Callable[..., None]] = {b"text": self._take_text, b"pin": self._pin, b"frames": self._expect_frames}
        while True:
            while self._holders.unburied and not self._orders.poll(_BURIAL_MS):
                self._holders.bury()
            _take_order(control, others)
            place = self._holders.take()
            child = self._fork()
            if child == 0:
                self._child(place)
            # The kernel turns the child's pid into the one that the worker knows it by.
            credentials = struct.pack("3i", child, *self._credentials)
            _sendmsg(control, _FORKED, [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)])
            os.closerange(0, len(walls.FDS))
            self._holders.make_ahead()
            status, usage, left = self._await_end(child, place)
            cpu, peak = (usage.ru_utime + usage.ru_stime) * 1e6, usage.ru_maxrss << 10
            ended = b"ended %d %d %d %d" % (status, cpu, peak, self._holders.took)
            if left is None:
                control.send(ended)
            else:
                _sendmsg(control, [ended], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", left))])
                os.close(left)
            # Only now: the tear-down of the namespaces is nothing to wait for.
            self._holders.end(place)

    def _take_runs(self) -> list[Run]:
        """Runs of memory, a message of their own: the address and size of each."""
        return [(address, size) for address, size in struct.iter_unpack("QQ", self._control.recv(_RUNS_BYTES))]

    def _move(self) -> None:
        """What is to lie in huge pages is the first message."""
        try:
            memory.move(self._take_runs())
        except OSError:
            pass  # it is as good where it is, but for the time it takes

    def _make_shadow(self) -> int:
        """A child that does nothing: what this process then writes to, it shares with nobody, which shows."""
        shadow = self._fork()
        if shadow == 0:
            while True:
                signal.pause()
        return shadow

    def _end_shadow(self) -> None:
        os.kill(self._shadow, signal.SIGKILL)
        os.waitpid(self._shadow, 0)

    def _take_text(self, address: bytes, size: bytes) -> None:
        """Code and constants in huge pages, in place of this process's own; their descriptor came along."""
        try:
            self._shared += linux.map_over(0, int(address), int(size))
        except OSError:
            pass  # its own is as good, but for the time it takes
        os.close(0)

    def _pin(self, first: bytes) -> None:
        """What a fork is to copy comes in the next message. The first so many runs are for every job, the rest for one with data frames."""
        runs = self._take_runs()
        count, why = int(first), ""
        self._frame_runs = runs[count:]
        try:
            if not runs:
                raise OSError("which pages jobs write to is not known")
            self._pins = self._pinned(runs[:count])
        except OSError as error:
            why = str(error)
        self._end_shadow()
        pages = self._pins.pages if self._pins else 0
        if not pages:
            self._layout.collapse()
        self._control.send(json.dumps({"pinned": pages, "shared": self._shared, "why": why}).encode())

    def _pinned(self, runs: list[Run]) -> memory.Pins | None:
        """Pins them while the shadow still shares them: so each is made a page of its own, and leaves the huge page it was part of."""
        if not runs:
            return None
        ring = _out_of_the_way(linux.ring())
        try:
            return memory.Pins(ring, runs)
        except OSError:
            os.close(ring)
            raise

    def _expect_frames(self, expected: bytes) -> None:
        """Pages that only data frames take are left in their huge pages until there are some: a page of its own costs each fork, too."""
        self._frames = expected == b"1"
        try:
            if self._frames and self._frame_runs and self._pins:
                runs, self._frame_runs = self._frame_runs, []
                self._holders.leave()
                self._shadow = self._make_shadow()
                try:
                    self._frame_pins = self._pinned(runs)
                finally:
                    self._end_shadow()
            elif self._frame_pins:
                self._frame_pins.pin() if self._frames else self._frame_pins.unpin()
        except OSError:
            pass  # another has locked the memory meanwhile: jobs copy these one by one, then

    def _await_end(self, child: int, place: int) -> tuple[int, resource.struct_rusage, int | None]:
        """How a child ended, and its directory where it has not answered and left anything there."""
        left = None
        control, poll = self._control, self._poll
        end = os.pidfd_open(child)
        if end != self._end:  # it is: the lowest free number each time
            if self._end is not None:
                poll.unregister(self._end)
            poll.register(end, select.POLLIN)
            self._end = end
        while True:
            ready = poll.poll(_BURIAL_MS if self._holders.unburied else None)
            for fd, _ in ready:
                if fd == end:
                    os.close(end)
                    _, status, usage = os.wait4(child, 0)
                    if left is None and status != walls.ANSWERED << 8:
                        left = self._holders.directory(place)
                    return status, usage, left
            if not ready:
                self._holders.bury()
                continue
            order = control.recv(64)
            if order == b"dump":
                signal.pidfd_send_signal(end, walls.DUMP_SIGNAL)
            elif order == b"kill":
                if left is None:
                    left = self._holders.directory(place)  # it goes with the last process in its namespace
                holder.kill(place)
            else:
                os._exit(0)

    def _child(self, place: int) -> NoReturn:
        try:
            os.setsid()  # a job that signals its group must hit nobody else: without privilege its server has the same uid
            holder.enter(place)
            self._folders.mount(self._uid)
            walls.close_others()
            os.chdir(holder.WORKING)
            _prepare(self._walls, self._seeds, self._runner, self._rehearse, self._frames)
        except BaseException as error:
            _fail(error)
        finally:
            os._exit(70)


@contextlib.contextmanager
def _pipes() -> Iterator[None]:
    """Makes 0 to 2 pipes for a while, as a job has them: a stream remembers what it was opened on."""
    saved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _OWN_FDS) for fd in range(3)]
    ends = os.pipe()
    try:
        for fd, end in enumerate((ends[0], ends[1], ends[1])):
            os.dup2(end, fd)
        yield
    finally:
        for fd, kept in enumerate(saved):
            os.dup2(kept, fd)
        for fd in (*saved, *ends):
            os.close(fd)


def _serve_once(control: socket.socket, settings: Settings, checks: denied.Checks) -> NoReturn:
    os.closerange(0, len(walls.FDS))
    _take_order(control)
    try:
        walls.close_others()
        os.chdir(settings["directory"])
        gc.freeze()
        runner = job.Runner(settings, checks)
        around = walls.Walls(settings)
        around.found()
        _prepare(around, walls.Seeds(), runner, settings["rehearse"], frames=True)
    except BaseException as error:
        _fail(error)
    finally:
        os._exit(70)


def _fail(error: BaseException) -> None:
    """A child that cannot be walled says why in place of its answer, and takes no job."""
    os.write(walls.RESULT, b"!" + ("%s: %s" % (type(error).__name__, error)).encode()[:1000])


def _prepare(around: walls.Walls, seeds: walls.Seeds, runner: job.Runner, rehearsing: bool, frames: bool) -> None:
    """Behind the walls, rehearsed, and on to the job."""
    around.rise()
    seeds.renew()
    gc.enable()
    poll = select.poll()
    poll.register(walls.JOB, select.POLLIN)
    os.write(walls.RESULT, b"w")
    if rehearsing and not poll.poll(rehearse.IDLE_MS):
        _rehearse(rehearse.steps(frames), poll)
        if not poll.poll(rehearse.DEEPER_IDLE_MS):
            _rehearse(rehearse.deeper_steps(frames), poll)
    runner.serve()


def _rehearse(steps: Iterable[rehearse.Step], poll: select.poll) -> None:
    for step in steps:
        if poll.poll(0):
            return  # a job that is there is taken at once
        step()
