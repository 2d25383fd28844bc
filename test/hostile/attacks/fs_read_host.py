# Tries: to read files of the host: a world-readable secret, accounts, keys, logs, kernel settings, other processes' files.
# Must hold: none of them can be opened, and the secret appears nowhere in the answer.
import os

from attack import attempt, reached, read


# What a jail has of its own under these names: it says nothing of the host.
HOSTS = b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tjail\n"
OWN = {
    "/etc/hostname": lambda text: text == b"jail\n",
    "/proc/sys/kernel/hostname": lambda text: text == b"jail\n",
    "/etc/hosts": lambda text: text == HOSTS,
    "/etc/resolv.conf": lambda text: text.startswith(b"#") and text.count(b"\n") == 1,
    "/proc/self/environ": lambda text: {pair.split(b"=")[0] for pair in text.split(b"\0")} <= {b""} | set(os.environb),
}
FOLDERS = {"/proc": 17, "/sys": 3, "/run": 1}  # at most so many names, none of them another process's number: its own goes by 2


def foreign(path, at):
    text = read(at)
    if path in OWN and OWN[path](text):
        raise FileNotFoundError(path)
    return text


def listed(path):
    names = os.listdir(path)
    if len(names) <= FOLDERS.get(path, 0) and not any(name.isdigit() and name not in ("2", str(os.getpid())) for name in names):
        raise FileNotFoundError(path)
    return names


def main(secret, **_):
    for path in [secret, "/etc/shadow", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/machine-id", "/etc/ssh/sshd_config",
                 "/root/.bashrc", "/root/.ssh/id_rsa", "/home", "/var/log/dpkg.log", "/var/lib/dpkg/status", "/bin/sh", "/bin/bash",
                 "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/self/environ", "/proc/1/environ", "/proc/1/cmdline",
                 "/proc/sys/kernel/hostname", "/proc/self/maps", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/tty", "/dev/pts"]:
        attempt("read " + path, foreign, path, path)
        attempt("stat by ../ " + path, foreign, path, "../../../../.." + path)
    for path in ("/root", "/home", "/var/log", "/proc", "/sys", "/boot", "/run"):
        attempt("list " + path, lambda: listed(path) or 1 / 0)
    # The jail may have accounts of its own; the host's have shells.
    attempt("accounts", lambda: b"sh\n" in read("/etc/passwd") or 1 / 0)
    return reached
