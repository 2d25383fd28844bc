"""The server's side of holders, the processes that keep the fresh namespaces of a job; maker.py makes them."""
import os
import signal
import socket
import struct

from runner import linux

# Seconds for the maker to answer. It takes about one millisecond; one that is dead must not keep a job waiting for ever.
_PATIENCE = 20


class Holders:
    """Orders holders of the maker, one at a time."""

    def __init__(self, fd):
        self._maker = socket.socket(fileno=fd)
        # The kernel's own timeout: Python's would ask before each message whether it may be sent.
        self._maker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _PATIENCE, 0))

    def order(self):
        """Asks for the next one, without waiting for it."""
        self._maker.send(b"next")

    def take(self):
        """A pidfd of the holder that was ordered."""
        answer = self._maker.recv(512)
        if not answer.isdigit():
            raise OSError(answer.decode(errors="replace") or "the maker of namespaces is gone")
        return os.pidfd_open(int(answer))


def enter(holder, flags, tmpfs_options):
    """Moves this process into the holder's namespaces, all but the pid namespace, which only a fork can enter, and mounts the
    job's own working directory there."""
    linux.setns(holder, flags)
    linux.mount_tmpfs(b"/tmp", tmpfs_options)


def kill(holder):
    """Ends the holder, and with it every process in its pid namespace."""
    try:
        signal.pidfd_send_signal(holder, signal.SIGKILL)
    except ProcessLookupError:
        pass  # killed before
