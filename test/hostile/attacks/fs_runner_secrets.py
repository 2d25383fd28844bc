# Tries: to find what the worker knows and a job must not: its environment, where Redis is, descriptors that were left open.
# Must hold: the environment is the jail's own; no object holds the path of Redis; only the job's own five pipes are open.
import ctypes
import gc
import os
import stat

from attack import reached


def main(redis_backwards, **_):
    path = redis_backwards[::-1]
    environment = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    seen = dict(os.environ)
    i = 0
    while environment[i]:
        name, _, value = environment[i].decode(errors="replace").partition("=")
        seen[name] = value
        i += 1
    for name, value in seen.items():
        if path in value or any(word in name for word in ("REDIS", "KEY", "SECRET", "TOKEN", "JAIL", "WORKER", "DATA_DIR")):
            reached.append("environment: " + name)
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            for value in list(thing.values()):
                if isinstance(value, str) and value != path and path in value and len(value) < 4096:
                    reached.append("in memory: " + value[:200])
    for fd in range(4096):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        if fd > 4 or not stat.S_ISFIFO(mode):
            reached.append("descriptor %d: %o" % (fd, mode))
    return reached
