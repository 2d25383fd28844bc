"""Makes the fresh namespaces of each job, and a first process for them that does nothing.

A pid namespace needs a first process. Were that the job itself, the kernel would shield it from signals the way it shields
every init (an abort() would not abort). So a holder is: it starts in the C library's pause(), runs no line of Python, and ends
when the server kills it, which kills whatever is still alive in its namespace.

Holders share the memory of their maker, so that making one copies no page and ending one frees none: forked ones cost 260 page
faults more for each job. The maker is a small process of its own, forked before the libraries are loaded, because whatever
adds up the memory of processes counts shared memory once for each.
"""
import mmap
import os
import signal
import socket

from runner import linux

_PRIVATE = (
    linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWNET | linux.CLONE_NEWUTS | linux.CLONE_NEWCGROUP
)

_STACK_BYTES = 64 << 10

# Seconds for the maker to answer. It takes about one millisecond; one that is dead must not keep a job waiting for ever.
_PATIENCE = 20


class Holders:
    """The maker of holders; it lives as long as the server."""

    def __init__(self, close):
        self._here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self._here.close()
            close()
            _make(there)
        there.close()
        self._here.settimeout(_PATIENCE)

    def order(self):
        """Asks for the next one, without waiting for it."""
        self._here.send(b"next")

    def take(self):
        """A pidfd of the holder that was ordered."""
        answer = self._here.recv(512).decode(errors="replace")
        if not answer.isdigit():
            raise OSError(answer or "the maker of namespaces is gone")
        return os.pidfd_open(int(answer))


def enter(holder, tmpfs_options):
    """Moves this process into the holder's namespaces, all but the pid namespace, which only a fork can enter, and mounts the
    job's own working directory there."""
    linux.setns(holder, _PRIVATE)
    linux.mount_tmpfs("/tmp", tmpfs_options)


def kill(holder):
    """Ends the holder, and with it every process in its pid namespace."""
    try:
        signal.pidfd_send_signal(holder, signal.SIGKILL)
    except ProcessLookupError:
        pass  # killed before


def _make(orders):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the holders
    # The first process of a pid namespace gets no signal it has no handler for; Python has one for this.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # One stack serves all: a holder puts the way into pause() on it and never comes back to read it.
    stack = mmap.mmap(-1, _STACK_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    top = linux.address_of(stack) + _STACK_BYTES - 64
    while orders.recv(16):
        try:
            answer = b"%d" % linux.clone_paused(_PRIVATE | linux.CLONE_NEWPID, top)
        except OSError as e:
            answer = str(e).encode()
        orders.send(answer)
    os._exit(0)
