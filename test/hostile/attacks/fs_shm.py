# Tries: to have more in /dev/shm than the disk limit allows, alone and beside the working directory; to reach others' files through it by
# links; to leave objects there, and to find some of another's.
# Must hold: one size for both, nothing of a neighbour or a predecessor, links lead nowhere new.
# Timeout: 6000
# Levels: namespaces
import ctypes
import os

from attack import attempt, reached


def main(disk_mb, secret, **_):
    libc = ctypes.CDLL(None)
    if os.listdir("/dev/shm"):
        reached.append("somebody's objects: %r" % os.listdir("/dev/shm"))
    if libc.shm_open(b"/mark", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666) < 0:
        reached.append("no object of its own")
    for target in (secret, "/etc/shadow", "/proc/1/root", "/run/job/../../root", "/run/job"):
        link = "/dev/shm/link"
        os.symlink(target, link)
        attempt("through a link to " + target, os.open, link, os.O_RDWR)
        os.unlink(link)
    attempt("beside the two folders", os.mkdir, "/run/job/more")
    attempt("a folder in place of it", os.rename, "/run/job/shm", "/run/job/tmp/shm")
    block, total = bytes(1 << 20), 0
    for folder in ("/dev/shm", "."):
        fd = os.open(folder + "/filling", os.O_WRONLY | os.O_CREAT)
        try:
            while total <= 2 * disk_mb << 20:
                total += os.write(fd, block)
        except OSError:
            pass
        if folder == "/dev/shm":
            os.truncate(fd, os.fstat(fd).st_size // 2)
            total = os.fstat(fd).st_size
    if total > disk_mb << 20:
        reached.append("%d MB in both" % (total >> 20))
    count = 0
    try:
        while count < 100_000:
            os.symlink("x" * 100, "/dev/shm/l%d" % count)
            count += 1
        reached.append("%d names" % count)
    except OSError:
        pass
    # For whoever comes next.
    libc.sem_open(b"/left", os.O_CREAT, 0o666, 1)
    return reached
