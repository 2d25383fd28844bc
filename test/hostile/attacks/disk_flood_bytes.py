# Tries: to fill a disk that has no size of its own, with files of which each is as long as it may be.
# Must hold: it is ended while there is little.
# Ends: output_limit
# Timeout: 10000
# Levels: process


def main(disk_mb, **_):
    i = 0
    while True:
        with open("f%d" % i, "wb") as f:
            for _ in range(disk_mb):
                f.write(bytes(1 << 20))
        i += 1
