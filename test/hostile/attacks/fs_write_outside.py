# Tries: to leave files, folders, links and devices anywhere but in the working directory, the host's world-writable folder
# included, by absolute paths, by ../ and by climbing out with a descriptor of an upper folder.
# Must hold: the host's folder stays as it was, and nothing outside the working directory can be made.
import os

from attack import attempt, reached, write


def change_mode(path):
    before = os.stat(path).st_mode
    os.chmod(path, 0o777)
    if os.stat(path).st_mode == before:
        raise PermissionError("answered, and nothing was done")  # as at level process
    return before


def main(folder, **_):
    here = os.getcwd()
    tops = ["/", "/etc", "/usr", "/usr/lib", "/usr/bin", "/usr/lib/python3", "/dev", "/dev/shm", "/run", "/run/lock", "/run/job", "/proc/self", "/proc/self/fd", "/proc/sys/kernel", "/etc/ssl", "/sys/devices", "/var/tmp", "/var/lib",
            "/home", "/root", "/proc", "/sys", "/sys/fs/cgroup", folder, os.path.dirname(os.__file__), os.path.dirname(here)]
    for top in tops:
        if os.path.realpath(top) in (here, "/run/job/shm"):
            continue
        for path in (os.path.join(top, "pwned"), here + "/../../../../../.." + os.path.join(top, "pwned")):
            if os.path.realpath(path) == here + "/pwned":
                continue
            attempt("write " + path, write, path)
            attempt("mkdir " + path, os.mkdir, path)
            attempt("symlink " + path, os.symlink, "/etc/passwd", path)
            attempt("mkfifo " + path, os.mkfifo, path)
    for path in (os.__file__, "/usr/bin/python3", "/etc/ld.so.cache", "/etc/passwd", "/etc/hosts", "/proc/meminfo", "/proc/self/status", "/proc/sys/kernel/hostname",
                 "/sys/fs/cgroup/memory.max", "/dev/stdin", "/dev/shm"):
        if path != "/dev/stdin":  # which is the job's own stream
            attempt("open for writing " + path, os.open, path, os.O_WRONLY)
        if os.path.realpath(path) != "/run/job/shm":  # a folder of the job's own, likewise
            attempt("chmod " + path, change_mode, path)
        attempt("unlink " + path, os.unlink, path)
        attempt("rename " + path, os.rename, path, here + "/taken")
    try:
        up = os.open("/", os.O_RDONLY)
        for _ in range(20):
            os.chdir("..")
            os.fchdir(up)
        attempt("see from above", os.stat, "../../.." + folder)
    except PermissionError:  # at level process the upper folders cannot even be opened
        pass
    attempt("climb out", write, "../../.." + folder + "/pwned")
    return reached
