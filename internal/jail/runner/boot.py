# Given to Python with -c. Its first message from the worker is the source of the maker of namespaces, which is forked while this
# process is as small as it can be, or nothing but a comment where there are none to make. The second holds the settings and the
# sources of the other modules, in the order in which they import one another.
import os
import sys


def boot(fd=3):
    maker = type(sys)("maker")
    exec(compile(os.read(fd, 64 << 10), "<runner/maker.py>", "exec"), maker.__dict__)
    orders = maker.start(fd) if hasattr(maker, "start") else None

    import json
    import socket


    control = socket.socket(fileno=fd)
    size = int(control.recv(16))
    blob = b""
    while len(blob) < size:
        part = control.recv(size - len(blob))
        if not part:
            os._exit(0)
        blob += part
    settings = json.loads(blob)
    package = type(sys)("runner")
    package.__path__ = []
    sys.modules["runner"] = package
    package.maker = sys.modules["runner.maker"] = maker
    for name, source in settings.pop("modules"):
        module = type(sys)("runner." + name)
        sys.modules[module.__name__] = module
        exec(compile(source, "<runner/%s.py>" % name, "exec"), module.__dict__)
        setattr(package, name, module)
    sys.modules["runner.server"].main(control, orders, settings)


boot()
