"""Makes the fresh namespaces of each job: a small process of its own, forked before the libraries are loaded.

Each job's pid namespace needs a first process. Were that the job itself, the kernel would shield it from signals the way it
shields every init (an abort() would not abort), and the namespaces would be torn down while the client waits for the
exit. So a holder is the namespaces' first process instead: it makes them, mounts the working directory, and sleeps until
the server kills it, which kills whatever is still alive inside.
"""
import os
import signal
import socket

from runner import linux

_PRIVATE = (
    linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWNET | linux.CLONE_NEWUTS | linux.CLONE_NEWCGROUP
)


class Holders:
    """The maker of holders; it lives as long as the server."""

    def __init__(self, tmpfs_options, close):
        self._here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self._here.close()
            close()
            _make(there, tmpfs_options)
        there.close()

    def order(self):
        """Asks for the next one, without waiting for it."""
        self._here.send(b"next")

    def take(self):
        """A pidfd of the holder that was ordered."""
        answer = self._here.recv(512).decode(errors="replace")
        if not answer.isdigit():
            raise OSError(answer or "the maker of namespaces is gone")
        return os.pidfd_open(int(answer))


def enter(holder):
    """Moves this process into the holder's namespaces; all but the pid namespace, which only a fork can enter."""
    linux.setns(holder, _PRIVATE)


def kill(holder):
    """Ends the holder, and with it every process in its pid namespace."""
    try:
        signal.pidfd_send_signal(holder, signal.SIGKILL)
    except ProcessLookupError:
        pass  # killed before


def _make(orders, tmpfs_options):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the holders
    own = os.pidfd_open(os.getpid())
    while orders.recv(16):
        read, write = os.pipe()
        linux.unshare(linux.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            _hold(write, tmpfs_options)
        linux.setns(own, linux.CLONE_NEWPID)  # else the next unshare is refused
        os.close(write)
        failure = os.read(read, 512)
        os.close(read)
        orders.send(failure or b"%d" % pid)
    os._exit(0)


def _hold(report, tmpfs_options):
    try:
        linux.unshare(_PRIVATE)
        linux.mount_tmpfs("/tmp", tmpfs_options)
    except OSError as e:
        os.write(report, str(e).encode())
        os._exit(1)
    # The first process of a pid namespace gets no signal it has no handler for; Python has one for this.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.closerange(0, 1 << 16)
    while True:
        signal.pause()
