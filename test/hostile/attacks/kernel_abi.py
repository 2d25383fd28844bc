# Tries: the other ways into the kernel of an x86_64: the x32 numbers, and 32-bit calls through int 0x80, whose numbers mean other
# calls than the filter knows.
# Must hold: neither answers.
# Ends: completed crashed
import ctypes
import mmap
import os
import platform

from attack import attempt, raw, reached


def main(**_):
    if platform.machine() != "x86_64":
        return reached
    for number in (39, 41, 57, 272, 520, 521):
        attempt("x32 %d" % number, raw, 0x40000000 | number, 0x10000000, 0, 0)
    code = mmap.mmap(-1, 4096, prot=7)
    # push rbx; mov eax, edi; xor ebx, ebx; int 0x80; pop rbx; ret
    code.write(bytes.fromhex("53 89f8 31db cd80 5b c3"))
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    if call(20) == os.getpid():
        reached.append("getpid by int 0x80")
    if call(2) > 0:
        reached.append("fork by int 0x80")
    if call(310) == 0:
        reached.append("unshare by int 0x80")
    return reached
