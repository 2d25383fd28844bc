# Tries: to be somebody else: every call that changes ids or capabilities, and setuid files, found or made.
# Must hold: the ids stay; there is no setuid file; no capability and no way to one.
import os

from attack import attempt, reached, syscall


def main(**_):
    before = os.getresuid(), os.getresgid()
    for name, arguments in [("setuid", (0,)), ("setgid", (0,)), ("setreuid", (0, 0)), ("setresuid", (0, 0, 0)), ("setresgid", (0, 0, 0)),
                            ("setgroups", ([0],)), ("initgroups", ("root", 0)), ("seteuid", (0,))]:
        attempt(name, getattr(os, name), *arguments)
    for prctl in ((8, 1), (24, 0), (38, 0), (47, 2, 21), (28, 0), (4, 1)):
        attempt("prctl %r" % (prctl,), syscall, "prctl", *prctl, *[0] * (5 - len(prctl)))
    if (os.getresuid(), os.getresgid()) != before or 0 in before[0] + before[1] or 0 in os.getgroups():
        reached.append("ids: %r %r %r" % (os.getresuid(), os.getresgid(), os.getgroups()))
    for folder, _, names in os.walk("/usr/bin"):
        for name in names:
            if os.lstat(os.path.join(folder, name)).st_mode & 0o6000:
                reached.append("setuid: " + name)
    return reached
