# Tries: an answer that is none: half of one, two, zero bytes, numbers too large, keys twice, text that is not UTF-8.
# Must hold: no part of it is taken for a result.
# Ends: crashed
import os
import random


def main(**_):
    os.write(4, random.choice([
        b"", b"{", b"{}", b"{}\n", b'{"files":[]}\n{"a":1}{"b":2}', b'{"files":[]}\n"\xff\xfe"', b"\x00" * 70000, b"w!w!w!\n\n\n",
        b'{"files":null,"error":7}\n1', b"[]\n1", b'{"files":[{"path":5}]}\n1', b'{"files":[]}\nNaN', b'{"error":{"code":"exception"}}\n"both"',
    ]))
    os._exit(0)
