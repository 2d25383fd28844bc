# Tries: to use the runner's own powers, which it needed before it was walled: entering namespaces, mounting, making holders, taking
# settings back.
# Must hold: they are gone.
import signal
import sys

from attack import attempt, reached


def main(**_):
    linux, holder, walls = (sys.modules.get("runner." + name) for name in ("linux", "holder", "walls"))
    if not (linux and holder and walls):
        return ["the runner's modules have other names: this attack is out of date"]
    for flags in (linux.CLONE_NEWNS, linux.CLONE_NEWPID, linux.CLONE_NEWNET, 0x10000000):
        attempt("unshare", linux.unshare, flags)
        for fd in range(64):
            attempt("setns %d" % fd, linux.setns, fd, flags)
            attempt("kill %d" % fd, signal.pidfd_send_signal, fd, signal.SIGKILL)
    attempt("mount", linux.mount_tmpfs, "/tmp", "size=1g")
    attempt("holders", holder.Holders, lambda: None)
    attempt("seccomp", linux.install_seccomp, bytes.fromhex("0600000000 00ff7f".replace(" ", "")))
    attempt("no_new_privs", linux.prctl, "x", linux.PR_SET_NO_NEW_PRIVS, 0)
    return reached
