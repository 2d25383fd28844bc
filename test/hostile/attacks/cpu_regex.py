# Tries: a regular expression that backtracks for ever, inside C and deaf to signals.
# Must hold: it ends at its time limit.
# Timeout: 700
# Ends: timeout
import re


def main(**_):
    return bool(re.match("(a*)*b", "a" * 100))
