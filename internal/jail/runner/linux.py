"""The system calls that Python's own library lacks, through ctypes."""
import ctypes
import os

CLONE_VM, CLONE_SIGHAND, CLONE_THREAD = 0x100, 0x800, 0x10000
SIGCHLD = 17
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x20000, 0x2000000, 0x4000000
CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x8000000, 0x20000000, 0x40000000

MS_NOSUID, MS_NODEV = 2, 4

PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 22, 24, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL, SECCOMP_MODE_FILTER = 4, 2

# PyDLL keeps the interpreter lock: none of these calls waits, and giving the lock up costs more than the call.
_libc = ctypes.PyDLL(None, use_errno=True)
_ulong = ctypes.c_ulong


def _checked(name, result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (name, os.strerror(number)))


def unshare(flags):
    _checked("unshare(%#x)" % flags, _libc.unshare(flags))


def clone_paused(flags, stack_top):
    """A new process that shares this one's memory and does nothing but wait in pause(); its pid."""
    pid = _libc.clone(_libc.pause, ctypes.c_void_p(stack_top), CLONE_VM | flags | SIGCHLD, None)
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, "clone(%#x): %s" % (flags, os.strerror(number)))
    return pid


def address_of(buffer):
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def setns(fd, flags):
    _checked("setns(%#x)" % flags, _libc.setns(fd, flags))


def mount_tmpfs(path, options):
    _checked("mount tmpfs on " + path, _libc.mount(b"tmpfs", path.encode(), b"tmpfs", _ulong(MS_NOSUID | MS_NODEV), options.encode()))


def prctl(name, option, a=0, b=0):
    _checked(name, _libc.prctl(option, _ulong(a), _ulong(b), _ulong(0), _ulong(0)))


def single_threaded():
    """The kernel's own word: these flags are a no-op for a process of one thread and refused for any other."""
    return _libc.unshare(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM) == 0


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


# Made once: a child that built them anew would pay for the pages they lie in.
_CAP_HEADER = _CapHeader(0x20080522, 0)
_NO_CAPABILITIES = (_CapData * 2)()


def drop_bounding_set():
    """Takes every capability out of what this process and its children can ever gain; needs CAP_SETPCAP. Those it has, it keeps."""
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, _ulong(capability), _ulong(0), _ulong(0), _ulong(0)) != 0:
            break  # past the kernel's last one


def drop_capabilities():
    _libc.prctl(PR_CAP_AMBIENT, _ulong(PR_CAP_AMBIENT_CLEAR_ALL), _ulong(0), _ulong(0), _ulong(0))
    _checked("capset", _libc.capset(ctypes.byref(_CAP_HEADER), _NO_CAPABILITIES))


class _SockFprog(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def install_seccomp(program):
    """program: the filter's instructions, 8 bytes each, as the kernel reads them."""
    fprog = _SockFprog(len(program) // 8, program)
    _checked("seccomp", _libc.prctl(PR_SET_SECCOMP, _ulong(SECCOMP_MODE_FILTER), ctypes.byref(fprog), _ulong(0), _ulong(0)))


def unbuffer_c_stdout():
    """C code's output in its place among Python's, and not lost with a process that is killed."""
    _libc.setvbuf(ctypes.c_void_p.in_dll(_libc, "stdout"), None, ctypes.c_int(2), ctypes.c_size_t(0))


def flush_c_streams():
    """What C code left in its own buffers; Python's do not know of them."""
    _libc.fflush(None)
