# Given to Python with -c. The worker's first message is the length of the next, which may come in parts, and how many arenas of memory to
# set aside. Then come the runner's modules, each behind its name and length, in the order in which they import one another, and the
# settings. What is imported before the memory is laid out comes to lie outside of it.
import os
import sys


def boot(fd=3):
    size, arenas = map(int, os.read(fd, 32).split())
    blob = b""
    while len(blob) < size:
        part = os.read(fd, size - len(blob))
        if not part:
            os._exit(0)
        blob += part
    package = type(sys)("runner")
    package.__path__ = []
    sys.modules["runner"] = package
    layout = None
    while not blob.startswith(b"{"):
        head, blob = blob.split(b"\n", 1)
        name, size = head.decode().split()
        module = type(sys)("runner." + name)
        sys.modules[module.__name__] = module
        exec(compile(blob[: int(size)], "<runner/%s.py>" % name, "exec"), module.__dict__)
        setattr(package, name, module)
        blob = blob[int(size) :]
        if name == "memory" and arenas:
            layout = module.Layout(arenas)
    import json
    import socket

    package.server.main(socket.socket(fileno=fd), json.loads(blob), layout)


boot()
