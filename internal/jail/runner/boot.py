# Given to Python with -c. It says that it is there; the worker's first message is the length of the next, which may come in parts, and how
# many arenas of memory to set aside. Then come modules in the order in which they import one another, each behind its name, its length and
# whether its code is wanted back; or all of the runner's as an earlier start has compiled them, named "compiled"; and the settings. What is
# imported before the memory is laid out comes to lie outside of it.
import marshal
import os
import sys

# As much as one message holds.
_CHUNK = 64 << 10


def boot(fd: int = 3) -> None:
    os.write(fd, b"{}")
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
    # Only the Python that has compiled them can read them.
    magic = sys.modules["_frozen_importlib_external"].MAGIC_NUMBER
    layout, compiled = None, []
    while not blob.startswith(b"{"):
        head, blob = blob.split(b"\n", 1)
        name, length, wanted = head.decode().split()
        part, blob = blob[: int(length)], blob[int(length) :]
        if name != "compiled":
            modules = [(name, compile(part, "<runner/%s.py>" % name, "exec"))]
            if wanted == "1":
                compiled += modules
        elif part.startswith(magic):
            modules = marshal.loads(part[len(magic) :])
        else:
            os.write(fd, b'{"error": "the runner was compiled by another python than is here now"}')
            os._exit(1)
        for name, code in modules:
            module = type(sys)("runner." + name)
            sys.modules[module.__name__] = module
            exec(code, module.__dict__)
            setattr(package, name, module)
            if name == "memory" and arenas:
                layout = module.Layout(arenas)
    if compiled:
        code = magic + marshal.dumps(compiled)
        os.write(fd, b'{"compiled": %d}' % len(code))
        for start in range(0, len(code), _CHUNK):
            os.write(fd, code[start : start + _CHUNK])
    import json
    import socket

    package.server.main(socket.socket(fileno=fd), json.loads(blob), layout)


boot()
