"""Unit tests of the runner: what can be tried without a jail. From internal/jail, as `make test` does:

    /usr/bin/python3 -m unittest discover -s runner/tests -t .

What takes a jail (walls, namespaces, memory, the fork server) is tested from Go, on both backends.
"""
