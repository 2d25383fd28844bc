# Tries: the calls that take another process by its number: limits, processors, scheduling, groups, priorities, clocks, signals.
# Must hold: they answer for the job itself alone, by 0 and by its own number.
import ctypes
import os
import time

from attack import attempt, reached, syscall


def main(**_):
    me = os.getpid()
    room = ctypes.create_string_buffer(256)
    for pid in sorted({1, 3, 4, os.getppid(), me + 1, me - 1, *range(max(5, me - 40), me + 40)} - {0, me}):
        for name, *arguments in [
            ("prlimit64", pid, 7, None, room), ("prlimit64", pid, 0, (ctypes.c_uint64 * 2)(0, 1), None), ("sched_getaffinity", pid, 128, room),
            ("sched_setaffinity", pid, 8, (ctypes.c_uint64 * 1)(1)), ("sched_getscheduler", pid), ("sched_getparam", pid, room),
            ("sched_getattr", pid, room, 56, 0), ("sched_rr_get_interval", pid, room), ("getpgid", pid), ("getsid", pid), ("getpriority", 0, pid),
            ("setpriority", 0, pid, 19), ("ioprio_get", 1, pid), ("get_robust_list", pid, room, room), ("kill", pid, 0), ("tgkill", pid, pid, 0),
            ("tkill", pid, 0), ("capget", (ctypes.c_uint32 * 2)(0x20080522, pid), room),
        ]:
            attempt("%s of %d" % (name, pid), syscall, name, *arguments)
        for which in (0, 1, 2, 4, 6):
            attempt("clock %d of %d" % (which, pid), syscall, "clock_gettime", ~pid << 3 | which, room)
    for which in (1, 2):
        attempt("priority of a group or a user", syscall, "getpriority", which, 0)
    # And the job itself must still be able to.
    import resource
    for pid in (0, me):
        resource.prlimit(pid, resource.RLIMIT_NOFILE)
        os.sched_setaffinity(pid, os.sched_getaffinity(pid))
        os.getpgid(pid), os.getsid(pid), os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid), os.kill(pid, 0)
        time.clock_gettime(ctypes.c_int(~pid << 3 | 2).value)
    return reached
