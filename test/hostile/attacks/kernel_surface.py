# Tries: the parts of the kernel that most holes were found in, none of which Python needs.
# Must hold: every call is refused.
import ctypes
import os

from attack import attempt, reached, syscall


def main(**_):
    room = ctypes.create_string_buffer(4096)
    for name, *arguments in [
        ("io_uring_setup", 8, room), ("io_uring_enter", 0, 0, 0, 0, None, 0), ("bpf", 0, room, 128), ("bpf", 5, room, 128),
        ("perf_event_open", room, 0, -1, -1, 0), ("userfaultfd", 0), ("userfaultfd", 1), ("add_key", b"user", b"k", b"v", 1, -3),
        ("request_key", b"user", b"k", None, -3), ("keyctl", 0, -3, 1), ("keyctl", 1, None), ("kexec_load", 0, 0, None, 0),
        ("init_module", room, 0, b""), ("finit_module", 0, b"", 0), ("swapon", b"x", 0), ("reboot", 0xFEE1DEAD, 0x28121969, 0, None),
        ("acct", None), ("quotactl", 0x80000100, None, 0, None), ("syslog", 2, room, 100), ("personality", 0x0040000),
        ("modify_ldt", 0, room, 100), ("iopl", 3), ("ioperm", 0, 8, 1), ("mbind", 0, 0, 0, None, 0, 0), ("migrate_pages", 0, 8, room, room),
        ("move_pages", 0, 0, None, None, room, 0), ("fanotify_init", 0, 0), ("name_to_handle_at", -100, b"/", room, room, 0),
        ("open_by_handle_at", -100, room, 0), ("memfd_create", b"x", 0), ("memfd_secret", 0), ("process_madvise", 0, room, 1, 0, 0),
        ("shmget", 0, 4096, 0o1600), ("semget", 0, 1, 0o1600), ("msgget", 0, 0o1600), ("mq_open", b"x", 0o100, 0o600, None),
        ("mknodat", -100, b"zero", 0o20666, 0x105), ("seccomp", 1, 0, room), ("clock_settime", 0, room), ("settimeofday", room, None),
        ("capset", room, room), ("mount_setattr", -1, b"", 0, room, 32), ("statmount", room, room, 100, 0), ("listmount", room, room, 10, 0),
    ]:
        attempt(name, syscall, name, *arguments)
    for name in ("shm_open", "sem_open"):
        if os.path.isdir("/dev/shm"):
            break  # of the job's own: see fs_shm
        attempt(name, lambda: ctypes.CDLL(None)[name](b"/pwned", os.O_CREAT | os.O_RDWR, 0o600) in (-1, 0) and 1 / 0)
    return reached
