"""Compiles, checks and runs a script as Python would run it as a program, and calls its main() unless it is sent as one."""
from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import sys

from runner import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import CodeType
    from typing import Any

    from runner import denied
    from runner.protocol import Request

# What Python ran until now: scripts take its place, and it must not go away under whoever is still in it.
_FORMER = sys.modules["__main__"]

_PLAIN = (type(None), bool, int, float, str, list, dict, tuple)


class Refused(Exception):
    """The script is wrong, whatever its input: the error's code, sentence and line."""

    def __init__(self, code: str, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.code, self.line = code, line


class Unparsable(Exception):
    """Wraps what the compiler said, so that a SyntaxError raised by the running script is not taken for one."""


def run(request: Request, check: denied.Check) -> Any:
    """What main() returned. Raises Refused, Unparsable, and whatever the script lets out."""
    main = _execute(request["script"], check, unguard=True).get("main")
    if not callable(main):
        what = "" if main is None else " (main is a value of type %s, which cannot be called)" % type(main).__name__
        raise Refused("no_main", "Script must contain a main() function" + what)
    positional, keywords = _arguments(request.get("args"), main)
    value = main(*positional, **keywords)
    if type(value) not in _PLAIN and inspect.isawaitable(value):
        import asyncio

        value = asyncio.run(value if inspect.iscoroutine(value) else _await(value))
    return value


def run_program(request: Request, check: denied.Check) -> int:
    """The exit status of the script as a program. Raises as run does, but for SystemExit."""
    sys.argv[1:] = request.get("args") or []
    try:
        _execute(request["script"], check, unguard=False)
    except SystemExit as end:
        return _exit_status(end)
    return 0


def _exit_status(end: SystemExit) -> int:
    """What Python makes of it: no code is 0, a number the lowest byte of itself, and anything else is printed."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def _execute(source: str, check: denied.Check, unguard: bool) -> dict[str, Any]:
    """Runs the script as __main__ and returns its global names."""
    source = source.removeprefix("\ufeff")
    code = _compile(source, check, unguard)
    module = type(sys)("__main__")
    module.__dict__.update(__file__=report.SCRIPT, __cached__=None, __annotations__={}, __builtins__=builtins)
    sys.modules["__main__"] = module
    linecache.cache[report.SCRIPT] = (len(source), None, report.source_lines(source), report.SCRIPT)
    exec(code, module.__dict__)
    return module.__dict__


async def _await(value: Awaitable[Any]) -> Any:
    return await value


def _compile(source: str, check: denied.Check, unguard: bool) -> CodeType:
    found = None
    unguard = unguard and "__main__" in source
    try:
        if check.passes(source) and not unguard:
            code: CodeType = compile(source, report.SCRIPT, "exec", dont_inherit=True)
            return code
        tree = ast.parse(source, report.SCRIPT)
        found = check.find(tree)
        if unguard:
            _unguard(ast, tree)
        code = compile(tree, report.SCRIPT, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError) as error:
        raise Unparsable from error
    if found:
        name, line = found
        raise Refused("dangerous_import", "Dangerous import detected: %s (line %d); %s" % (name, line, check.instead(name)), line)
    return code


def _unguard(ast: Any, tree: Any) -> None:
    """Has `if __name__ == "__main__":` do all that it does except to call main, which is the service's part.

    The block ends at its first statement that uses main, or a function or class that does: what follows is about main's
    result. Definitions stay, main's own too.
    """
    callers = {"main"}
    definitions = [n for n in tree.body if isinstance(n, _definitions(ast))]
    while new := {d.name for d in definitions if _uses(ast, d, callers)} - callers:
        callers |= new
    for i, node in enumerate(tree.body):
        if isinstance(node, ast.Expr) and _uses(ast, node, {"__name__"}) and _uses(ast, node, callers):
            tree.body[i] = ast.copy_location(ast.Pass(), node)  # __name__ == "__main__" and main()
    pending = [n for n in tree.body if isinstance(n, ast.If)]
    while pending:
        node = pending.pop()
        if _uses(ast, node.test, {"__name__"}):
            node.body = _until_called(ast, node.body, callers) or [ast.copy_location(ast.Pass(), node)]
            node.orelse = _until_called(ast, node.orelse, callers)
        pending += [n for n in node.orelse if isinstance(n, ast.If)]  # elif


def _until_called(ast: Any, body: list[Any], callers: set[str]) -> list[Any]:
    kept, callers = [], set(callers)
    for node in body:
        if isinstance(node, _definitions(ast)):
            if _uses(ast, node, callers):
                callers.add(node.name)
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "main" for t in node.targets):
            pass  # main = cached(main)
        elif _uses(ast, node, callers):
            break
        kept.append(node)
    return kept


def _definitions(ast: Any) -> tuple[Any, ...]:
    return ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef


def _uses(ast: Any, tree: Any, names: set[str]) -> bool:
    return any(isinstance(n, ast.Name) and n.id in names and isinstance(n.ctx, ast.Load) for n in ast.walk(tree))


def _arguments(args: Any, main: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
    positional = args if isinstance(args, list) else []
    keywords = args if isinstance(args, dict) else {}
    code = getattr(main, "__code__", None)
    if code is not None and not args and not code.co_argcount and not code.co_kwonlyargcount:
        return positional, keywords
    try:
        signature = inspect.signature(main, follow_wrapped=False)
    except (TypeError, ValueError):  # some builtins have none: the call itself will tell
        return positional, keywords
    try:
        signature.bind(*positional, **keywords)
    except TypeError as error:
        help = "give them in the request's \"args\"" if not args else "the request's \"args\" must fit main%s" % signature
        raise Refused("no_main", "main() cannot be called with the arguments it was given: %s; %s" % (error, help)) from None
    return positional, keywords
