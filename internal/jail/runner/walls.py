"""Puts a freshly forked child behind its walls. Nothing of the job has been read yet when this is done."""
import mmap
import os
import resource
import signal
import sys

from runner import linux

STDIN, STDOUT, STDERR, JOB, RESULT = range(5)

# Asks a job where it is; see faulthandler.
DUMP_SIGNAL = signal.SIGUSR2


def take_descriptors(fds):
    """Makes the five descriptors of the job 0 to 4, in the order above, and closes every other."""
    # Out of the way first: a descriptor may already have the number of another's place.
    high = [os.dup2(fd, 64 + i, inheritable=True) for i, fd in enumerate(fds)]
    for place, fd in enumerate(high):
        os.dup2(fd, place, inheritable=True)
    os.closerange(len(fds), 1 << 16)


def raise_walls(settings):
    """uid, capabilities, rlimits, no_new_privs, seccomp: in this order, since each takes away what the next did not need."""
    uid = settings["uid"]
    if uid is not None and os.getuid() != uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    linux.drop_capabilities()
    for name, value in settings["rlimits"].items():
        lower(getattr(resource, "RLIMIT_" + name), value)
    linux.prctl("no_new_privs", linux.PR_SET_NO_NEW_PRIVS, 1)
    for program in settings["seccomp"]:
        linux.install_seccomp(program)


def lower(limit, value):
    """Sets soft and hard to value, or leaves a hard limit that is lower still."""
    hard = resource.getrlimit(limit)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, value))


def reseed():
    """What is forked twice from one server must not draw the same numbers twice. random reseeds itself after a fork."""
    modules = sys.modules
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None
    if "numpy.random" in modules:
        modules["numpy.random"].seed()
    if "ssl" in modules:
        modules["ssl"].RAND_add(os.urandom(32), 32.0)


def address_space(least=0):
    """The size of this process's address space in bytes, found without /proc: the lowest RLIMIT_AS that lets it map a page more.

    least is a size that it surely has: a server's, say, for its child. Exact to 64 kB.
    """
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    page = mmap.PAGESIZE

    def fits(pages):
        resource.setrlimit(resource.RLIMIT_AS, (pages * page, hard))
        try:
            mmap.mmap(-1, page, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()  # a shared one would be a file
            return True
        except (OSError, MemoryError):
            return False

    low, step = least // page, 1024
    while not fits(low + step):
        low += step
        step *= 2
    high = low + step
    while high - low > 16:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    return high * page
