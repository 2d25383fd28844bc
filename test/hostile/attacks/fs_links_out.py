# Tries: to have the service hand out the host's files as the job's own output: symbolic and hard links to them, links to folders,
# a fifo and a socket that would block whoever reads them, a folder that contains itself.
# Must hold: the answer comes in time and the secret is not in it.
import os
import socket

from attack import attempt, reached


def main(secret, folder, **_):
    for i, target in enumerate([secret, "/etc/passwd", "/etc/shadow", "/proc/self/environ", "/proc/1/environ", "/dev/zero", "../" * 9 + secret[1:]]):
        os.symlink(target, "link%d.txt" % i)
        attempt("hard link " + target, os.link, target, "hard%d.txt" % i)
    os.symlink(folder, "folder")
    os.symlink("/", "root")
    os.symlink(".", "loop")
    os.symlink("self", "self")
    try:
        os.mkfifo("fifo.txt")
    except OSError:
        pass  # refused, and so much the better
    os.mkdir("a")
    os.symlink("..", "a/up")
    a, b = socket.socketpair()
    with open("honest.txt", "w") as f:
        f.write("mine")
    return reached
