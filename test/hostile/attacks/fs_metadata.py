# Tries: modes and times of the host's files, and of the root, by every call there is. What is a file's own content
# other walls keep; these calls need no more than its name, or a descriptor that was opened for nothing.
# Must hold: the host's files are as they were; its own can be changed, or are left as they are without an error.
import os

from attack import attempt, reached, write


def main(folder, secret, unix, **_):
    for path in (folder, secret, unix, os.path.dirname(secret), "/", "..", "/usr", "/etc", os.__file__):
        for change in (
            lambda: os.utime(path), lambda: os.utime(path, (1, 1)), lambda: os.chmod(path, 0o640), lambda: os.chown(path, os.getuid(), os.getgid()),
            lambda: os.utime(os.open(path, os.O_PATH)), lambda: os.chmod(os.open(path, os.O_PATH), 0o640), lambda: os.setxattr(path, "user.x", b"1"),
        ):
            try:
                change()
            except OSError:
                pass
    attempt("an attribute of a file of its own", os.setxattr, write("own"), "user.x", b"1")
    os.chmod("own", 0o600)
    os.utime("own", (1, 1))
    os.utime("own")
    return reached
