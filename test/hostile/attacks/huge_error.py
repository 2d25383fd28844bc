# Tries: errors as weapons: a message of many megabytes, one that fails when it is read, a chain without an end.
# Must hold: an answer of bounded size.
# Ends: exception crashed memory_limit
class Awful(Exception):
    def __str__(self):
        return "\x1b[2J" * (4 << 20)

    __repr__ = __str__


def main(**_):
    first = error = Awful()
    for _ in range(100_000):
        cause = Awful()
        error.__cause__ = cause
        error = cause
    error.__context__ = first
    raise first
