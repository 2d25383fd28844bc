# Tries: a result too big to keep, from main() and past it.
# Must hold: it is refused, and memory is not used for it.
# Ends: output_limit memory_limit
def main(**_):
    return "\x00" * (30 << 20)
