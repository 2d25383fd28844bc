"""Makes the fresh namespaces of each job, and a first process for them that does nothing.

A pid namespace needs a first process. Were that the job itself, the kernel would shield it from signals the way it shields
every init (an abort() would not abort). So a holder is: a process that shares the server's memory, which makes it cost next
to nothing, and never runs a line of Python. It starts in the C library's pause() and ends when the server kills it, which
kills whatever is still alive in its namespace.
"""
import mmap
import os
import select
import signal

from runner import linux

_PRIVATE = (
    linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWNET | linux.CLONE_NEWUTS | linux.CLONE_NEWCGROUP
)

_STACK_BYTES = 64 << 10


class Holders:
    """One holder made ahead, at most; only for a server that leaves SIGINT to its default, since a holder shares handlers' memory."""

    def __init__(self):
        # One stack serves all: a holder puts the way into pause() on it and never comes back to read it.
        self._stack = mmap.mmap(-1, _STACK_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._top = linux.address_of(self._stack) + _STACK_BYTES - 64
        self._next = None
        self._pids = {}  # by their pidfds
        self._dying = set()

    def make(self):
        """Makes the next one, unless there is one."""
        if self._next is None:
            pid = linux.clone_paused(_PRIVATE | linux.CLONE_NEWPID, self._top)
            self._next = os.pidfd_open(pid)
            self._pids[self._next] = pid

    def take(self):
        """A pidfd of the next one."""
        self.make()
        holder, self._next = self._next, None
        return holder

    def kill(self, holder):
        """Ends the holder, and with it every process in its pid namespace."""
        if holder not in self._dying:
            signal.pidfd_send_signal(holder, signal.SIGKILL)
            self._dying.add(holder)

    def wait(self, *wanted):
        """Those of the wanted descriptors that can be read, once there are any; holders that die meanwhile are taken leave of."""
        poll = select.poll()
        for fd in (*wanted, *self._dying):
            poll.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            for dead in ready & self._dying:
                poll.unregister(dead)
                self._dying.discard(dead)
                os.waitpid(self._pids.pop(dead), 0)
                os.close(dead)
            ready.intersection_update(wanted)
            if ready:
                return ready


def enter(holder, tmpfs_options):
    """Moves this process into the holder's namespaces, all but the pid namespace, which only a fork can enter, and mounts the
    job's own working directory there."""
    linux.setns(holder, _PRIVATE)
    linux.mount_tmpfs("/tmp", tmpfs_options)
