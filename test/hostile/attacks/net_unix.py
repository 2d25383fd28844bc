# Tries: the host's local sockets, by path and by abstract name: to connect, and to send a datagram from one half of a pair, which
# needs no socket() and no connect().
# Must hold: the listeners on the host get nothing.
import socket

from attack import attempt, reached


def main(unix, abstract, **_):
    for address in (unix, unix + "g", "\0" + abstract, "\0" + abstract + "g", "/run/systemd/journal/socket", "/dev/log", "/var/run/docker.sock", "/run/dbus/system_bus_socket"):
        def connect():
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.connect(address)
            return s

        attempt("connect %r" % address, connect)
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            def from_half():
                a, b = socket.socketpair(socket.AF_UNIX, kind)
                if kind == socket.SOCK_SEQPACKET:
                    a.connect(address)
                return a.sendto(b"pwned", address)

            def by_message():
                a, b = socket.socketpair(socket.AF_UNIX, kind)
                return a.sendmsg([b"pwned"], [], 0, address)

            # A stream and a sequenced one send to their other half, whatever the address says: the host's listener decides.
            for send in (from_half, by_message):
                if kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
                    try:
                        send()
                    except (OSError, AttributeError):
                        pass
                else:
                    attempt("datagram to %r" % address, send)
    for family in range(2, 50):
        attempt("pair of family %d" % family, lambda: socket.socketpair(family, socket.SOCK_STREAM))
    return reached
