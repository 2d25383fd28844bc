"""Makes the fresh namespaces of each job, and a first process for them that does nothing: the holder.

A pid namespace needs a first process. Were that the job itself, the kernel would shield it from signals the way it shields
every init (an abort() would not abort). So a holder is: it starts in the C library's pause(), runs no line of Python, and ends
when the server kills it, which kills whatever is still alive in its namespace.

Holders share the memory of their maker, so that making one copies no page and ending one frees none: forked ones cost 260 page
faults more for each job. The maker is a process of its own, forked by Python before it has read or imported anything else,
because whatever adds up the memory of processes counts shared memory once for each.
"""
import _socket
import ctypes
import os

PRIVATE = 0x20000 | 0x8000000 | 0x40000000 | 0x4000000 | 0x2000000  # CLONE_NEWNS, NEWIPC, NEWNET, NEWUTS, NEWCGROUP
_NEWPID, _VM, _SIGCHLD, _SIGINT = 0x20000000, 0x100, 17, 2

_STACK_BYTES = 8 << 10


def start(unwanted):
    """Forks the maker, which closes the descriptor it has no business with; a socket's descriptor to order holders by."""
    here, there = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        here.close()
        os.close(unwanted)
        _make(there, ctypes.PyDLL(None, use_errno=True))
    there.close()
    return here.detach()


def _make(orders, libc):
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal(_SIGCHLD, 1)  # ignored: the kernel reaps the holders
    # The first process of a pid namespace gets no signal it has no handler for; Python has one for this.
    libc.signal(_SIGINT, 0)
    # One stack serves all: a holder puts the way into pause() on it and never comes back to read it.
    stack = ctypes.create_string_buffer(_STACK_BYTES)
    top = ctypes.c_void_p((ctypes.addressof(stack) + _STACK_BYTES - 64) & ~63)
    while orders.recv(16):
        pid = libc.clone(libc.pause, top, PRIVATE | _NEWPID | _VM | _SIGCHLD, None)
        orders.send(b"%d" % pid if pid > 0 else b"clone: " + os.strerror(ctypes.get_errno()).encode())
    os._exit(0)
