"""Finds the names that scripts may not use. Manners, not a wall: the jail holds whether or not this finds anything."""
from __future__ import annotations

import ast
import builtins
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# Ways to a module that name it in a string.
_IMPORTERS = ("__import__", "import_module")

# What to use in place of what is refused, where somebody may refuse it.
_INSTEAD = {
    "os": "use pathlib for files and paths, tempfile for a place of their own",
    "sys": "read input with input() or open(0), take arguments in main(), write to stderr with logging, and return from main() to end",
    "subprocess": "call a library: a script is one process here",
    "eval": "use ast.literal_eval or json.loads for values",
    "exec": "define functions and call them, or send code as a module in the request's files",
    "compile": "use ast.parse to look at code",
    "open": "use the request's args and stdin for data, and return what main() makes",
    "input": "take arguments in main()",
    "shutil": "use pathlib and zipfile or tarfile",
    "pickle": "use json",
    "importlib": "use import",
    "__import__": "use import",
    "builtins": "use the names themselves",
    "globals": "use a dict",
    "ctypes": "use struct, array or numpy",
    "signal": "use the request's limits.timeout_ms",
    "threading": "use asyncio",
    "multiprocessing": "use concurrent.futures.ThreadPoolExecutor: a script is one process here",
    **dict.fromkeys(
        ("socket", "ssl", "http", "urllib", "requests", "httpx", "aiohttp", "ftplib", "smtplib"),
        "send data in the request's args or files: there is no network here",
    ),
}


class Check:
    """The denied names, made ready once for all jobs."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._all = ", ".join(sorted(names))
        self._functions = frozenset(n for n in names if hasattr(builtins, n))
        words = "|".join(map(re.escape, sorted(names)))
        self._words = re.compile(r"\b(?:%s|%s)\b" % (words, "|".join(_IMPORTERS))) if names else None

    def passes(self, source: str) -> bool:
        """Whether the source needs no closer look, as most do not: none of the words is in it.

        Identifiers are normalised by the parser (NFKC), so only ASCII text can be passed like this.
        """
        return self._words is None or source.isascii() and not self._words.search(source)

    def find(self, tree: ast.AST) -> tuple[str, int] | None:
        """The first denied name used in the tree and its line, or None.

        Modules are found through import, from, their aliases and __import__("..."); builtins wherever they are read as a name, so
        that `run = eval` does not hide one. Words in strings, comments and attributes are no use of a name, and neither is a
        function of the script's own that bears it.
        """
        nodes = list(ast.walk(tree))
        functions = self._functions - {name for node in nodes for name in _bound(node)}
        found = []
        for node in nodes:
            name = None
            if isinstance(node, ast.Import):
                name = self._module([a.name for a in node.names])
            elif isinstance(node, ast.ImportFrom):
                name = self._module([] if node.level else [node.module])
                name = name or next((a.name for a in node.names if a.name in self._names), None)
            elif isinstance(node, ast.Name):
                name = node.id if node.id in functions and isinstance(node.ctx, ast.Load) else None
            elif isinstance(node, ast.Call):
                name = self._module(_imported_by_string(node))
            if name is not None:
                found.append((node.lineno, name))
        if not found:
            return None
        line, name = min(found)
        return name, line

    def instead(self, name: str) -> str:
        """What to do in place of using the name, and which names are refused."""
        return "%s; refused here: %s" % (_INSTEAD.get(name, "do without it"), self._all)

    def _module(self, modules: Iterable[str | None]) -> str | None:
        roots = [m.split(".")[0] for m in modules if m]
        return next((r for r in roots if r in self._names), None)


class Checks:
    """One for each mode that a script can be sent in."""

    def __init__(self, function: Collection[str], program: Collection[str]) -> None:
        self.function, self.program = Check(function), Check(program)


def _bound(node: ast.AST) -> list[str]:
    """Names that the node gives to something of the script's own."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.alias) and node.asname:
        return [node.asname]
    return []


def _imported_by_string(call: ast.Call) -> list[str]:
    function = call.func
    called = function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else None
    if called not in _IMPORTERS:
        return []
    given = call.args[:1] + [k.value for k in call.keywords if k.arg == "name"]
    return [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
