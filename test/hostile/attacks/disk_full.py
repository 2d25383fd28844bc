# Tries: to fill the disk, in one file and in many, with files that are deleted but open, and with folders and links.
# Must hold: no more than the working directory may hold, and a bound on the number of files.
# Timeout: 6000
# Levels: namespaces
import os

from attack import reached


def main(disk_mb, **_):
    block = bytes(1 << 20)
    total = 0
    for i in range(4):
        fd = os.open("f%d" % i, os.O_WRONLY | os.O_CREAT)
        if i % 2:
            os.unlink("f%d" % i)
        try:
            while total <= 2 * disk_mb << 20:
                total += os.write(fd, block)
        except OSError:
            pass
    if total > disk_mb << 20:
        reached.append("%d MB on disk" % (total >> 20))
    for i in range(4):
        try:
            os.truncate("f%d" % i, 0)
        except OSError:
            pass
    count = 0
    try:
        while count < 100_000:
            os.mkdir("d%d" % count)
            os.symlink("x" * 4000, "l%d" % count)
            count += 2
        reached.append("%d files" % count)
    except OSError:
        pass
    return reached
