# Tries: to keep the compiler itself busy or crash it, before main() is there: constants that unfold, nesting that overflows.
# Must hold: it ends in time, one way or the other.
# Timeout: 1500
# Ends: timeout memory_limit crashed exception syntax_error completed
import ast


def main(**_):
    for source in ("(" * 100_000 + ")" * 100_000, "-" * 500_000 + "1", "[" * 90_000, "x" + ".x" * 200_000, "a=" * 100_000 + "1", "lambda:" * 90_000 + "1"):
        try:
            compile(source, "x", "exec")
        except (SyntaxError, MemoryError, RecursionError, ValueError):
            pass
    return []
