# Tries: an error whose texts are megabytes: of bytes that are no text, each of which would be shown as three, of escapes, of an
# exception's name with lines and colours in it.
# Must hold: no text of the answer is longer than an honest one's, and the name is a name.
# Ends: crashed exception
import json
import os
import random


def main(**_):
    head = b'{"error":{"code":"exception","message":"'
    os.write(4, random.choice([
        head + b"\xff" * (15 << 20) + b'"}}\n',
        head + b"\\u0001" * (1 << 20) + b'"}}\n',
        head + b"x" * (4 << 20) + b'"}}\n',
        json.dumps({"error": {"code": "exception", "message": "m", "type": "A\nB\x1b[31m" * 99999, "line": 1 << 60, "source_line": "y" * (1 << 20),
                              "traceback": "\u2028" * (1 << 18)}}).encode() + b"\n",
    ]))
    os._exit(0)
