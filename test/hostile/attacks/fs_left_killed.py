# Tries: to have the worker, which looks what a killed job has left, follow links out, wait for a pipe, read what is the host's, or go so
# deep and so wide that it never comes back.
# Must hold: nothing foreign comes back, and the answer is there in time.
# Timeout: 3000
# Ends: timeout output_limit
import os
import socket


def attempt(function, *arguments):
    try:
        function(*arguments)
    except OSError:
        pass


def main(**bait):
    with open("honest.txt", "w") as f:
        f.write("honest")
    for i, target in enumerate(("/", "/etc", "/etc/passwd", "/proc/self/root", "/proc/1/root", "..", ".", "/dev/zero", *map(str, bait.values()))):
        attempt(os.symlink, target, "link%d" % i)
        attempt(os.link, target, "hard%d" % i)
    attempt(os.mkfifo, "pipe")
    attempt(os.mknod, "device")
    attempt(lambda: socket.socket(socket.AF_UNIX).bind("socket"))
    with open("sparse", "wb") as f:
        f.truncate(60 << 20)
    for name in (b"\xff\xfe", b"new\nline", b"\x1b[31m", b"z" * 255):
        attempt(lambda: open(name, "w").close())
    deep = "."
    for _ in range(150):
        deep += "/d"
        attempt(os.mkdir, deep)
    for i in range(1500):
        attempt(lambda: open("wide%d" % i, "w").close())
    os.mkdir("locked")
    os.chmod("locked", 0)
    os.chmod(".", 0o555)
    while True:
        pass
