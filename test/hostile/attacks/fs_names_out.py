# Tries: names of output files that are no names: line ends, quotes, bytes that are no text, hundreds of folders deep, thousands
# of them, one that is swapped for a link while it is read.
# Must hold: an answer in time, with every path in it relative and inside; the host's folder stays as it was.
import os
import threading

from attack import reached


def main(secret, **_):
    for name in (b"line\nend", b"quote\"'", b"\xff\xfe", b"back\\slash", b"..\\..\\x", b"nul%00", "\u202egpj".encode(), b" ", b"-rf", b"x" * 255):
        with open(name, "wb") as f:
            f.write(b"x")
    for i in range(1000):
        with open("f%d" % i, "wb"):
            pass
    for _ in range(100):
        os.mkdir("d")
        os.chdir("d")
    with open("deep", "wb") as f:
        f.write(b"x")

    def swap():
        while True:
            for make in (lambda: os.symlink(secret, "new"), lambda: open("new", "w").close()):
                try:
                    make()
                    os.replace("new", "swapped")
                except OSError:
                    pass

    threading.Thread(target=swap, daemon=True).start()
    return reached
