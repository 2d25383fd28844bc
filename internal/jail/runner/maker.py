"""Makes the fresh namespaces of each job, and a first process for them that does nothing: the holder.

A pid namespace needs a first process. Were that the job itself, the kernel would shield it from signals the way it shields
every init (an abort() would not abort). So a holder is: it starts in the C library's pause(), runs no line of Python, and ends
when the server kills it, which kills whatever is still alive in its namespace.

A holder gets nearly nothing of its maker's memory: the code of two functions of the C library and a stack. So making one copies
no page and ending one frees none; forked ones cost 260 page faults more for each job. The maker is a process of its own, forked
by Python before it has read or imported anything else.
"""
import _socket
import ctypes
import os

PRIVATE = 0x20000 | 0x8000000 | 0x40000000 | 0x4000000 | 0x2000000  # CLONE_NEWNS, NEWIPC, NEWNET, NEWUTS, NEWCGROUP
_NEWPID, _VM, _SIGCHLD, _SIGINT = 0x20000000, 0x100, 17, 2

_PAGE = 4096
_DONTFORK, _DOFORK = 10, 11
_END = (1 << 47) - _PAGE  # of a process's addresses
_PAUSE = 34  # the system call's number on x86_64


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
    # One stack serves all: a holder puts the way into its one call on it and never comes back to read it.
    stack = ctypes.create_string_buffer(3 * _PAGE)
    page = -(-ctypes.addressof(stack) // _PAGE) * _PAGE
    top = ctypes.c_void_p(page + _PAGE - 64)
    waits, argument, memory = libc.pause, None, _VM
    if os.uname().machine == "x86_64":
        waits, argument, memory = libc.syscall, ctypes.c_void_p(_PAUSE), 0
        _keep_back(libc, page)
    # Elsewhere pause() needs more of the C library's memory than can be told here: the holder shares all of its maker's.
    while orders.recv(16):
        pid = libc.clone(waits, top, PRIVATE | _NEWPID | memory | _SIGCHLD, argument)
        orders.send(b"%d" % pid if pid > 0 else b"clone: " + os.strerror(ctypes.get_errno()).encode())
    os._exit(0)


def _keep_back(libc, stack):
    """Has a clone get, of all that this process has mapped, only what a holder runs on."""
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    libc.madvise(_PAGE, _END - _PAGE, _DONTFORK)  # fails for want of memory between the mappings, and is done all the same
    for function in (libc.clone, libc.syscall):
        start = ctypes.cast(function, ctypes.c_void_p).value // _PAGE * _PAGE
        libc.madvise(start, 2 * _PAGE, _DOFORK)
    libc.madvise(stack, _PAGE, _DOFORK)
    # The kernel keeps a note of the processor that the thread runs on in the C library's part of it (rseq).
    libc.pthread_self.restype = ctypes.c_void_p
    thread = libc.pthread_self()
    libc.madvise(thread // _PAGE * _PAGE, 2 * _PAGE, _DOFORK)
    try:
        note = thread + ctypes.c_ssize_t.in_dll(libc, "__rseq_offset").value
        libc.madvise(note // _PAGE * _PAGE, 2 * _PAGE, _DOFORK)
    except ValueError:
        pass  # a C library that asks for none
