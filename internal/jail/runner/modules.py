"""Which module a name stands for, where a job brings one of its own."""
from __future__ import annotations

import _imp
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# The modules that have made way, by their names: what the runner itself needs of them it still finds here.
_former = {}

# Every interpreter has it from its start.
_FROM_THE_START = "encodings"


def make_way(paths: list[str], directory: str) -> None:
    """Has the modules among a job's files imported in place of loaded ones of their names, as in a program of its own, where the script's
    directory comes first and nothing is loaded yet. Those that Python has built in or frozen come first there as well. Modules that stay
    keep what they have imported."""
    names = {name for path in paths if (name := _module(path)) in sys.modules}
    names = {n for n in names if n not in sys.builtin_module_names and not _imp.is_frozen(n) and n != _FROM_THE_START}
    if names:
        for name in [n for n in sys.modules if n.partition(".")[0] in names]:
            _former[name] = sys.modules.pop(name)
    sys.path_importer_cache.pop(directory, None)  # it may have been looked into when it was empty


def _module(path: str) -> str | None:
    """The name that a file of the working directory is imported by, or that of the package that it makes; else None."""
    parts = [part for part in path.split("/") if part != "."]
    if len(parts) == 2 and parts[1] == "__init__.py":
        return parts[0]
    if len(parts) == 1 and parts[0].endswith(".py"):
        return parts[0][:-3]
    return None


def loaded(name: str) -> ModuleType | None:
    """The library of this name, if it is loaded: not the module of a job that has taken its name."""
    return _former.get(name) or sys.modules.get(name)
