"""What the attacks share. It lies beside each of them in its working directory."""
import ctypes
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)

# What an attack has reached. Its main() returns this list, which must be empty.
reached = []


def attempt(name, function, *arguments):
    """Calls what must fail. Whatever it raises is fine; if it returns, name has been reached."""
    try:
        value = function(*arguments)
    except BaseException:
        return None
    reached.append("%s: %.200r" % (name, value))
    return value


# Numbers on x86_64 and aarch64, since the C library has no names for most of what is tried.
NUMBERS = {
    "clone": (56, 220), "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "ptrace": (101, 117), "syslog": (103, 116),
    "personality": (135, 92), "pivot_root": (155, 41), "chroot": (161, 51), "acct": (163, 89), "settimeofday": (164, 170),
    "mount": (165, 40), "umount2": (166, 39), "swapon": (167, 224), "reboot": (169, 142), "sethostname": (170, 161), "iopl": (172, None),
    "ioperm": (173, None), "init_module": (175, 105), "quotactl": (179, 60), "modify_ldt": (154, None), "clock_settime": (227, 112),
    "mbind": (237, 235), "mq_open": (240, 180), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "unshare": (272, 97),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "perf_event_open": (298, 241), "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "setns": (308, 268), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "kcmp": (312, 272), "finit_module": (313, 273), "seccomp": (317, 277), "memfd_create": (319, 279),
    "kexec_load": (246, 104), "bpf": (321, 280), "execveat": (322, 281), "userfaultfd": (323, 282), "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsmount": (432, 432), "pidfd_open": (434, 434), "clone3": (435, 435), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "mount_setattr": (442, 442), "memfd_secret": (447, 447), "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186),
    "socket": (41, 198), "mknodat": (259, 33), "capset": (126, 91), "setuid": (105, 146), "setresuid": (117, 147), "setgroups": (116, 159),
    "prctl": (157, 167), "statmount": (457, 457), "listmount": (458, 458),
    "inotify_init1": (294, 26), "timer_create": (222, 107), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "mlock": (149, 228),
    "mlock2": (325, 284), "preadv2": (327, 286), "pwritev2": (328, 287), "mincore": (27, 232), "cachestat": (451, 451), "readahead": (187, 213),
    "splice": (275, 76), "tee": (276, 77), "vmsplice": (278, 75), "sendmsg": (46, 211), "recvmsg": (47, 212), "sendmmsg": (307, 269),
    "sendto": (44, 206), "socketpair": (53, 199), "setsockopt": (54, 208), "getsockopt": (55, 209), "futex": (202, 98), "membarrier": (324, 283),
    "madvise": (28, 233), "ioctl": (16, 29), "fcntl": (72, 25), "prlimit64": (302, 261), "sched_setaffinity": (203, 122), "sched_getaffinity": (204, 123),
    "sched_getscheduler": (145, 120), "sched_getparam": (143, 121), "sched_getattr": (315, 275), "sched_rr_get_interval": (148, 127),
    "getpgid": (121, 155), "getsid": (124, 156), "getpriority": (140, 141), "setpriority": (141, 140), "ioprio_get": (252, 31),
    "clock_gettime": (228, 113), "get_robust_list": (274, 100), "capget": (125, 90), "tkill": (200, 130), "tgkill": (234, 131), "kill": (62, 129),
    "sync": (162, 81), "syncfs": (306, 267), "pipe2": (293, 59), "close_range": (436, 436), "signalfd4": (289, 74),
}


def syscall(name, *arguments):
    """The system call itself, past everything that the C library or Python would do or check first."""
    number = NUMBERS[name][0 if platform.machine() == "x86_64" else 1]
    if number is None:
        raise OSError("%s does not exist here" % name)
    return raw(number, *arguments)


def raw(number, *arguments):
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *converted)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def child(pid):
    """For what forks: the child leaves at once, so that it is the parent who tells."""
    if pid == 0:
        os._exit(0)
    return pid


def write(path, data=b"x"):
    with open(path, "wb") as f:
        f.write(data)
    return path


def read(path):
    with open(path, "rb") as f:
        return f.read(4096)
