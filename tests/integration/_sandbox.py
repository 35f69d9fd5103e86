"""A sandbox in which the kernel does not empty pages for the child of a fork."""

from __future__ import annotations

# Makes madvise(MADV_WIPEONFORK) fail as in a sandbox that has no such thing: a filter of system calls.
NO_WIPEONFORK = """
import ctypes, platform, struct
number = {"x86_64": 28, "aarch64": 233}[platform.machine()]
code = [
    (0x20, 0, 0, 0),             # load the number of the call
    (0x15, 0, 3, number),        # madvise, else allow
    (0x20, 0, 0, 32),            # load the low half of its third argument
    (0x15, 0, 1, 18),            # MADV_WIPEONFORK, else allow
    (0x06, 0, 0, 0x00050016),    # EINVAL
    (0x06, 0, 0, 0x7FFF0000),    # allow
]
program = b"".join(struct.pack("HBBI", *instruction) for instruction in code)
instructions = ctypes.create_string_buffer(program)
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(instructions)))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
assert libc.prctl(38, 1, 0, 0, 0) == 0   # PR_SET_NO_NEW_PRIVS
if libc.prctl(22, 2, ctypes.addressof(filter), 0, 0) != 0:   # PR_SET_SECCOMP
    print("no filters here")
    raise SystemExit
import mmap
page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE)
try:
    page.madvise(18)
    raise SystemExit("the filter does nothing")
except OSError:
    pass
"""
