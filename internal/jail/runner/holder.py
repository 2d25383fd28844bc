"""Holders keep the fresh namespaces of a job, and are the first process in them, which does nothing.

A pid namespace needs a first process. Were that the job itself, the kernel would shield it from signals the way it shields
every init (an abort() would not abort). So a holder is: it starts in the C library's pause(), runs no line of Python, and ends
when the server kills it, which kills whatever is still alive in its namespace.

A holder gets nearly nothing of its server's memory: the code of two functions of the C library and a stack. So making one copies
next to no page and ending one frees none; forked ones cost 260 page faults more for each job.
"""
from __future__ import annotations

import ctypes
import os
import signal
import time

from runner import files, linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runner.protocol import Run

_PRIVATE = linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWNET | linux.CLONE_NEWUTS | linux.CLONE_NEWCGROUP

# How many are made at a time, and thus wait at most.
_AT_ONCE = 2

# A job's working directory.
WORKING = "/tmp"
_WORKING = WORKING.encode()

_PAGE = 4096
_PAUSE = 34  # the system call's number on x86_64

# What the kernel's own pages lie within, to either side of the vdso.
_KERNELS = 64 << 10
_END = (1 << 47) - _PAGE  # of a process's addresses


class Holders:
    """Makes holders, one ahead."""

    def __init__(self, own: int, apart: bool) -> None:
        """own is a pidfd of this process, which stays open; apart says that jobs have another uid than this process."""
        self._own, self._apart = own, apart
        self._at_once = _AT_ONCE if apart else 1  # else they count among the processes that a job may have
        self._made: list[int] = []
        self._taken = 0
        # The ended ones that are not known to be gone.
        self.unburied: list[int] = []
        # How long it took to make the latest, in ns.
        self.took = 0
        # One stack serves all: a holder puts the way into its one call on it and never comes back to read it.
        self._stack = ctypes.create_string_buffer(3 * _PAGE)
        page = -(-ctypes.addressof(self._stack) // _PAGE) * _PAGE
        flags = _PRIVATE | linux.CLONE_NEWPID | signal.SIGCHLD
        self._kept_back: list[Run] = []
        self._given: list[Run] = []
        self._call: tuple[int, int, int, int | None]
        if os.uname().machine == "x86_64":
            self._call = linux.address_of("syscall"), page + _PAGE - 64, flags, _PAUSE
            self._kept_back = _regions(linux.vdso())
            self._given = [(page, _PAGE)] + [(start // _PAGE * _PAGE, 2 * _PAGE) for start in linux.places_of_a_clone()]
        else:
            # Elsewhere pause() needs more of the C library's memory than can be told here: the holder shares all of its server's.
            self._call = linux.address_of("pause"), page + _PAGE - 64, flags | linux.CLONE_VM, None

    def make(self) -> None:
        """The next ones, unless there is one. Most of what making one takes is keeping memory from it, and that is done once for two."""
        if self._made:
            return
        self.bury()
        begun = time.perf_counter_ns()
        self.leave()  # a pid namespace can only be made from one's own
        linux.keep_from_forks(self._kept_back)
        try:
            linux.give_to_forks(self._given)
            linux.block_signals()  # none is for a holder, and this process's handlers are not in its memory
            while len(self._made) < self._at_once:
                self._made.append(linux.clone(*self._call))
        except OSError:
            if not self._made:
                raise
        finally:
            linux.unblock_signals()
            linux.give_to_forks(self._kept_back)
        self.took = (time.perf_counter_ns() - begun) // len(self._made)

    def take(self) -> int:
        """A pidfd of the one that was made. What this process forks from now on is in its pid namespace."""
        self.make()
        self._taken = self._made.pop()
        holder = os.pidfd_open(self._taken)
        linux.setns(holder, linux.CLONE_NEWPID)
        return holder

    def leave(self) -> None:
        """What this process forks from now on is in its own pid namespace again."""
        linux.setns(self._own, linux.CLONE_NEWPID)

    def directory(self, holder: int) -> int | None:
        """The working directory of the job in a holder's namespaces, to be handed on; None where nothing is in it, or it is gone. This
        process looks at nothing but the directory's size: what lies there is the job's."""
        try:
            linux.setns(holder, linux.CLONE_NEWNS)
        except OSError:
            return None  # the kernel has ended the holder, too
        try:
            if os.stat("/tmp").st_size == files.EMPTY:
                return None
            return os.open("/tmp", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        finally:
            linux.setns(self._own, linux.CLONE_NEWNS)

    def make_ahead(self) -> None:
        """The next one, so that nobody has to wait for it. What fails here fails when it is needed, if it still does then: a job is
        running, which needs none."""
        try:
            self.make()
        except OSError:
            pass

    def end(self, holder: int) -> None:
        """Ends the one that was taken, and with it every process in its pid namespace."""
        kill(holder)
        os.close(holder)
        if self._apart:
            self.unburied.append(self._taken)
        else:
            os.waitpid(self._taken, 0)  # it counts among the processes that the next job may have

    def bury(self) -> None:
        """Waits for the ended ones, as far as they are gone: the kernel takes its time to take their namespaces apart."""
        if self.unburied:
            self.unburied = [pid for pid in self.unburied if os.waitpid(pid, os.WNOHANG)[0] == 0]


def _regions(vdso: int) -> list[Run]:
    """All of a process's memory but what lies around vdso, where the kernel's own pages are: those can be kept from a fork, and then
    never be given to one again."""
    return [(_PAGE, vdso - _KERNELS - _PAGE), (vdso + _KERNELS, _END - vdso - _KERNELS)] if vdso else [(_PAGE, _END - _PAGE)]


class Folders:
    """The job's own folders, of one tmpfs, so that its size counts for both: the working directory, and /dev/shm, which is a link to it."""

    def __init__(self, options: str, place: str) -> None:
        """place is where the root has a folder to mount it on; empty where it has none, and the working directory is all there is."""
        if place:
            options = options.partition(",uid=")[0]  # only the two folders are the job's
        self._options, self._tmpfs = options.encode(), (place or WORKING).encode()
        self._own = [place + WORKING, place + "/shm"] if place else []
        self._working, self._shared = [folder.encode() for folder in self._own] or (b"", b"")

    def mount(self, uid: int) -> None:
        linux.mount_tmpfs(self._tmpfs, self._options)
        if self._own:
            for folder in self._own:
                os.mkdir(folder)
                os.chown(folder, uid, uid)
            linux.mount_folder(self._working, _WORKING)
            if uid < 0:  # the job's uid is this one, and what lies around the two folders would be its own as well
                linux.mount_folder(self._shared, self._shared)
                linux.remount(self._tmpfs, read_only=True)


def enter(holder: int) -> None:
    """Moves this process into the holder's namespaces, all but the pid namespace, which only a fork can enter."""
    linux.setns(holder, _PRIVATE)


def kill(holder: int) -> None:
    """Ends the holder, and with it every process in its pid namespace."""
    try:
        signal.pidfd_send_signal(holder, signal.SIGKILL)
    except ProcessLookupError:
        pass  # killed before
