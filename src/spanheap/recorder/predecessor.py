"""The death of the process before this one, reported once."""

from __future__ import annotations

import logging
import os
import time
import zlib
from typing import NamedTuple

from spanheap.errors import SpanheapError
from spanheap.recorder import layout, place, reader
from spanheap.recorder.death import Kind, Writer, judge
from spanheap.recorder.machine import boot_id

logger = logging.getLogger("spanheap")

_MOST_REPORTS = 10   # after a node went down there may be a death for each of its workers


class PredecessorDeath(NamedTuple):
    """How an earlier process of the same recorder path ended, if it did not end cleanly."""

    path: str
    """Where its file is kept: `spanheap recover PATH`."""
    pid: int
    kind: str
    """exception, signal, limit, killed or reboot; unreadable: the file cannot be read."""
    time: float
    """The last sign of life, seconds since the epoch."""
    text: str


def of_path(path: str, *, new: bool) -> PredecessorDeath | None:
    """The death that this file, which nobody records into, tells of; None when it has been reported or was none.

    new: nobody can have looked at it before."""
    with place.locked(path) as fd:
        if fd is None or not (new or _can_be_marked(fd)):
            return None
        return _of_file(fd, path)


def of_siblings(pattern: str) -> list[PredecessorDeath]:
    """The deaths that the files of other processes tell of, newest first. Files beyond those kept are removed."""
    deaths: list[PredecessorDeath] = []
    dead = 0
    for path in place.siblings(pattern):
        with place.locked(path) as fd:
            if fd is None:
                continue   # somebody records into it
            dead += 1
            death = _of_file(fd, path) if len(deaths) < _MOST_REPORTS else None
        if death is not None:
            deaths.append(death)
        if dead > place.KEPT_SIBLINGS:
            place.remove(path)
    return deaths


def report(death: PredecessorDeath) -> None:
    """One line in the log."""
    ended = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(death.time)) if death.time else "an unknown time"
    logger.warning("spanheap: an earlier process (pid %d) %s; last sign of life %s. See: spanheap recover %s",
                   death.pid, death.text, ended, death.path)


_MARK_AT = layout.PAGE + layout.REPORTED * layout.END.size


def _can_be_marked(fd: int) -> bool:
    return os.fstat(fd).st_size >= _MARK_AT + layout.END.size


def _of_file(fd: int, path: str) -> PredecessorDeath | None:
    if any(os.pread(fd, layout.END.size, _MARK_AT)):
        return None
    try:
        recording = reader.read_fd(fd, path, summary=True)
    except (SpanheapError, OSError) as error:
        _mark_reported(fd)
        return PredecessorDeath(path, 0, "unreadable", 0.0, f"left a file that cannot be read ({error})")
    _mark_reported(fd)
    death = judge(recording, Writer(locked=False, running=False, boot_id=boot_id()))
    if not death.is_death or death.kind is Kind.RUNNING:
        return None
    return PredecessorDeath(path, recording.identity.pid, death.kind.value, death.time, death.text)


def _mark_reported(fd: int) -> None:
    """An end of the kind REPORTED, at its place; not in a file that is too short for that."""
    if _can_be_marked(fd):
        mark = layout.END.pack(layout.REPORTED + 1, 0, time.time_ns(), time.monotonic_ns(), 0, b"", 0)[:-4]
        os.pwrite(fd, mark + zlib.crc32(mark).to_bytes(4, "little"), _MARK_AT)
