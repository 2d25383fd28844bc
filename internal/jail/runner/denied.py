"""Finds the names that scripts may not use. Manners, not a wall: the jail holds whether or not this finds anything."""
import ast
import builtins
import re

# Ways to a module that name it in a string.
_IMPORTERS = ("__import__", "import_module")


class Check:
    """The denied names, made ready once for all jobs."""

    def __init__(self, names):
        self._names = frozenset(names)
        self._functions = frozenset(n for n in names if hasattr(builtins, n))
        words = "|".join(map(re.escape, sorted(names)))
        self._words = re.compile(r"\b(?:%s|builtins|%s)\b" % (words, "|".join(_IMPORTERS))) if names else None

    def passes(self, source):
        """Whether the source needs no closer look, as most do not: none of the words is in it.

        Identifiers are normalised by the parser (NFKC), so only ASCII text can be passed like this.
        """
        return self._words is None or source.isascii() and not self._words.search(source)

    def find(self, tree):
        """The first denied name used in the tree and its line, or None.

        Modules are found through import, from, their aliases and __import__("..."); builtins wherever they are read as a name, so
        that `run = eval` does not hide one. Words in strings, comments and attributes are no use of a name.
        """
        names = self._names
        for node in ast.walk(tree):
            name = None
            if isinstance(node, ast.Import):
                name = next((a.name.split(".")[0] for a in node.names if a.name.split(".")[0] in names), None)
            elif isinstance(node, ast.ImportFrom):
                root = (node.module or "").split(".")[0]
                name = root if root in names and not node.level else next((a.name for a in node.names if a.name in names), None)
            elif isinstance(node, ast.Name):
                name = node.id if node.id in self._functions and isinstance(node.ctx, ast.Load) else None
            elif isinstance(node, ast.Call):
                name = _imported_by_string(node, names)
            if name is not None:
                return name, node.lineno
        return None


def _imported_by_string(call, names):
    function = call.func
    called = function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else None
    if called not in _IMPORTERS or not call.args:
        return None
    first = call.args[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        root = first.value.split(".")[0]
        return root if root in names else None
    return None
