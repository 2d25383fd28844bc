# Tries: output files with names that no request could bring: lines, colours, NUL, folders that are files, 4,000 bytes; more of them, and
# more bytes, than may be handed back; and millions that take a hundred times what it takes to say them.
# Must hold: what comes back is a request's could be, by number, size and path.
# Ends: completed crashed
import json
import os
import random


def one(path, content="x", **more):
    return {"path": path, "size": len(content), "content": content, "encoding": "utf-8", **more}


def main(**_):
    names = ["a\nb", "\x1b[31mred", "NUL\x00", "x/y", "x", "x/y/z", "z" * 4000, "/".join("d" * 100), "dup", "dup", "a\u0085b", "sub//a", "./b", "good"]
    os.write(4, random.choice([
        json.dumps({"files": [one(name) for name in names]}).encode(),
        json.dumps({"files": [one("f%d" % i) for i in range(64)]}).encode(),
        json.dumps({"files": [one("f%d" % i, "x" * (1 << 20)) for i in range(6)]}).encode(),
        json.dumps({"files": [one("f%d" % i, reason="too_many") for i in range(9)] + [one("g", "", reason="\x1b")], "unnamed": -5}).encode(),
        json.dumps({"files": [{"path": "n%d" % i, "size": -1 << 40, "reason": "too_large"} for i in range(1000)], "unnamed": 1 << 62}).encode(),
        b'{"files":[' + b"{}," * (2 << 20) + b"{}]}",
    ]) + b"\n[]")
    os._exit(0)
