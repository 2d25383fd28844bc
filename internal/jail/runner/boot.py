# Given to Python with -c. The worker's first message is the length of the next, which may come in parts: the settings and the sources
# of the modules, in the order in which they import one another.
import json
import os
import socket
import sys


def boot(fd=3):
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
    for name, source in settings.pop("modules"):
        module = type(sys)("runner." + name)
        sys.modules[module.__name__] = module
        exec(compile(source, "<runner/%s.py>" % name, "exec"), module.__dict__)
        setattr(package, name, module)
    sys.modules["runner.server"].main(control, settings)


boot()
