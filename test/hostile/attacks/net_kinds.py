# Tries: every family, type and protocol of socket there is: netlink, packet, raw, kernel crypto, vsock, bluetooth, and those whose
# names nobody remembers.
# Must hold: none can be made but a pair of local ones.
from attack import attempt, reached, syscall


def main(**_):
    for family in range(50):
        for kind in (1, 2, 3, 4, 5, 6, 10):
            for protocol in (0, 1, 2, 6, 17, 15, 255, 262):
                attempt("socket(%d, %d, %d)" % (family, kind, protocol), syscall, "socket", family, kind, protocol)
    return reached
