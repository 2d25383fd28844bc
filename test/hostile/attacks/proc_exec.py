# Tries: to become another program: the interpreter, the loader, a script, a file of its own making, one that exists in memory alone.
# Must hold: it stays what it is. A program that started would answer in its place.
import os
import sys

from attack import attempt, libc, reached, syscall


def main(**_):
    say = "import os; os.write(4, b'{\"files\":[]}\\n\"another program\"'); os._exit(0)"
    for program in (sys.executable or "/usr/bin/python3", "/usr/bin/python3", "/bin/sh"):
        attempt("execv", os.execv, program, ["python3", "-c", say])
        attempt("execve by descriptor", lambda: os.execve(os.open(program, os.O_RDONLY), ["python3", "-c", say], {}))
    with open("own", "wb") as f:
        f.write(b"#!/usr/bin/python3\n" + say.encode())
    os.chmod("own", 0o6755)
    attempt("own", os.execv, "./own", ["own"])
    attempt("execveat", syscall, "execveat", -100, b"/usr/bin/python3", None, None, 0)

    def from_memory():
        fd = syscall("memfd_create", b"x", 0)
        os.write(fd, b"#!/usr/bin/python3\n" + say.encode())
        return syscall("execveat", fd, b"", None, None, 0x1000)

    attempt("from memory", from_memory)
    return reached
