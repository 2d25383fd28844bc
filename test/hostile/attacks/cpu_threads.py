# Tries: all cores at once, with threads that compute outside the interpreter's lock.
# Must hold: it ends at its time limit, and cores are free again.
# Timeout: 1000
# Ends: timeout memory_limit
import threading


def main(**_):
    import numpy

    def burn():
        a = numpy.ones((200, 200))
        while True:
            a @ a

    threading.stack_size(256 << 10)
    for _ in range(15):
        threading.Thread(target=burn, daemon=True).start()
    burn()
