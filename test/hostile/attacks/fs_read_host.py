# Tries: to read files of the host: a world-readable secret, accounts, keys, logs, kernel settings, other processes' files.
# Must hold: none of them can be opened, and the secret appears nowhere in the answer.
import os

from attack import attempt, reached, read


def main(secret, **_):
    for path in [secret, "/etc/shadow", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/machine-id", "/etc/ssh/sshd_config",
                 "/root/.bashrc", "/root/.ssh/id_rsa", "/home", "/var/log/dpkg.log", "/var/lib/dpkg/status", "/bin/sh", "/bin/bash",
                 "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/self/environ", "/proc/1/environ", "/proc/1/cmdline",
                 "/proc/sys/kernel/hostname", "/proc/self/maps", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/tty", "/dev/pts"]:
        attempt("read " + path, read, path)
        attempt("stat by ../ " + path, read, "../../../../.." + path)
    for path in ("/root", "/home", "/var/log", "/proc", "/sys", "/boot", "/run"):
        attempt("list " + path, lambda: os.listdir(path) or 1 / 0)
    # The jail may have accounts of its own; the host's have shells.
    attempt("accounts", lambda: b"sh\n" in read("/etc/passwd") or 1 / 0)
    return reached
