# Tries: to use the runner's own powers, which it needed before it was walled: entering namespaces, mounting, making holders, pinning
# memory, taking settings back.
# Must hold: they are gone.
import signal
import sys

from attack import attempt, reached


def main(**_):
    linux, holder = (sys.modules.get("runner." + name) for name in ("linux", "holder"))
    if not (linux and hasattr(holder, "Holders")):
        return ["the runner's modules have other names: this attack is out of date"]
    for flags in (linux.CLONE_NEWNS, linux.CLONE_NEWPID, linux.CLONE_NEWNET, 0x10000000, holder._PRIVATE):
        attempt("unshare %#x" % flags, unshare, linux, flags)
        for fd in range(64):
            attempt("setns %d" % fd, linux.setns, fd, flags)
            attempt("kill %d" % fd, signal.pidfd_send_signal, fd, signal.SIGKILL)
    attempt("mount", linux.mount_tmpfs, b"/tmp", b"size=1g")
    holders = holder.Holders(0, apart=True)
    attempt("make a holder", holders.make)
    attempt("make a holder with the call itself", linux.clone, *holders._call)
    attempt("pin memory", linux.pin, [(id(holders) // 4096 * 4096, 4096)])
    attempt("seccomp", linux.Filter(bytes.fromhex("060000000000ff7f"), linux.os.getpid(), [], []).install)
    attempt("no_new_privs", prctl, linux, linux.PR_SET_NO_NEW_PRIVS, 0)
    return reached


def unshare(linux, flags):
    if linux._unshare(flags) != 0:
        raise OSError("unshare")


def prctl(linux, option, value):
    if linux._prctl(option, value, 0, 0, 0) != 0:
        raise OSError("prctl")
