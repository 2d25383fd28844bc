# Tries: to be the runner: its modules, json, builtins, print and the checks replaced by others, for this job and those to come.
# Must hold: nobody but itself is fooled.
# Ends: completed crashed exception timeout
# Timeout: 1500
import builtins
import json
import os
import sys


def main(**_):
    for name, module in list(sys.modules.items()):
        if not name.startswith("runner"):
            continue
        for key, value in list(vars(module).items()):
            if callable(value) and not isinstance(value, type):
                setattr(module, key, lambda *a, **k: b"forged")
    json.dumps = json.loads = json.JSONEncoder.encode = lambda *a, **k: '"forged"'
    os._exit = os.write = os.fork = lambda *a, **k: None
    sys.modules["numpy"] = sys.modules["pandas"] = sys
    builtins.__import__ = builtins.compile = builtins.exec = builtins.print = builtins.len = lambda *a, **k: 0
    return []
