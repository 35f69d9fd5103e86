"""What the machine says of itself and of the processes on it."""

from __future__ import annotations

import fcntl
import os

from spanheap.recorder.death import Writer
from spanheap.recorder.recording import Identity


def boot_id() -> str:
    """32 hex digits that are new with every start of the machine; "": not known."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
            text = f.read().strip().replace("-", "")
        return text if len(bytes.fromhex(text)) == 16 else ""
    except (OSError, ValueError):
        return ""


def process_start(pid: int | str) -> int:
    """Clock ticks after boot at which this process started; 0: there is none, or it is not known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            after_name = f.read().rpartition(b")")[2]   # the name may have anything in it
        fields = after_name.split()
        return 0 if fields[0] in (b"Z", b"X") else int(fields[19])   # a zombie has ended
    except (OSError, ValueError, IndexError):
        return 0


def pid_namespace() -> int:
    """0: not known."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def is_running(identity: Identity) -> bool:
    """Whether the process that this is the identity of exists. Not for processes of other pid namespaces."""
    return (
        identity.process_start != 0 and identity.boot_id == boot_id() and identity.pid_namespace == pid_namespace()
        and process_start(identity.pid) == identity.process_start
    )


def is_locked(fd: int) -> bool:
    """Whether somebody records into this open file: who does has a lock on it, until they end in whatever way."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:   # a file system without locks
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def writer_of(fd: int, identity: Identity) -> Writer:
    """Of this open recorder file."""
    return Writer(is_locked(fd), is_running(identity), boot_id())
