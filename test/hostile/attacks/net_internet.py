# Tries: to reach anything over IP: the host's loopback, its addresses, names, other protocols, a server of its own.
# Must hold: the listeners on the host get no connection and no packet; no socket can be made.
import socket

from attack import attempt, reached


def main(tcp, udp, addresses, **_):
    for family, host in [(socket.AF_INET, a) for a in ["127.0.0.1", "0.0.0.0", "localhost", *addresses]] + [(socket.AF_INET6, "::1"), (socket.AF_INET6, "::")]:
        def connect():
            s = socket.socket(family, socket.SOCK_STREAM)
            s.settimeout(0.2)
            s.connect((host, tcp))
            return s

        def send():
            return socket.socket(family, socket.SOCK_DGRAM).sendto(b"pwned", (host, udp))

        attempt("tcp to " + host, connect)
        attempt("udp to " + host, send)
        attempt("server on " + host, lambda: socket.create_server((host, 0), family=family))
    attempt("create_connection", socket.create_connection, ("127.0.0.1", tcp), 0.2)
    attempt("dns", socket.getaddrinfo, "example.com", 80)
    attempt("urllib", lambda: __import__("urllib.request").request.urlopen("http://127.0.0.1:%d/" % tcp, timeout=0.2))
    return reached
