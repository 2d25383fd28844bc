# Tries: a computation in C that never looks up: an integer with more digits than there are atoms.
# Must hold: it ends at its time limit.
# Timeout: 700
# Ends: timeout memory_limit
def main(**_):
    return 7 ** (7 ** 13) % 10
