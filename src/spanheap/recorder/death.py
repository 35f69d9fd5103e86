"""When and how a process ended, as far as its recorder file lets one know.

A pure function of the recording and of what the machine says of the process now. In this order: a mark that
the process left; the limit it had reached; that there is nothing to know.
"""

from __future__ import annotations

import enum
import signal
from typing import NamedTuple

from spanheap.recorder import layout
from spanheap.recorder.recording import Point, Recording, printable

# Of the limit. The kernel kills at 100 %, but a point is up to one tick old by then, and what is used falls and rises by
# some percent when pages are reclaimed on the way up.
NEAR_LIMIT = 0.9
# A growth that began this long ago counts for what the next tick would have brought.
_GROWTH_POINTS = 5


class Kind(enum.Enum):
    """How it ended."""

    RUNNING = "running"
    CLEAN = "clean"
    EXCEPTION = "exception"
    SIGNAL = "signal"
    LIMIT = "limit"
    KILLED = "killed"
    REBOOT = "reboot"


class Writer(NamedTuple):
    """What this machine says of the process that wrote the file."""

    locked: bool
    """The file is locked: somebody records into it."""
    running: bool
    """A process of this number, start and boot exists."""
    boot_id: str
    """Of this machine now; "": not known."""


class Death(NamedTuple):
    kind: Kind
    time: float
    """The last sign of life, seconds since the epoch."""
    text: str
    """One line, beginning in lower case."""

    @property
    def is_death(self) -> bool:
        """Whether it ended in a way that nobody wanted."""
        return self.kind not in (Kind.RUNNING, Kind.CLEAN)


def judge(recording: Recording, writer: Writer) -> Death:
    """How the process of this recording ended."""
    ends, time = recording.ends, recording.last_sign
    if writer.locked:
        return Death(Kind.RUNNING, time, "is running")
    if (end := ends.get(layout.SIGNAL)) and not _survived(recording, end.time):
        return Death(Kind.SIGNAL, end.time, f"ended by {_signal_name(end.code)}")
    if end := ends.get(layout.EXCEPTION):
        name = printable(end.text) or "of unknown type"
        return Death(Kind.EXCEPTION, end.time, f"ended with an uncaught exception: {name}")
    if end := ends.get(layout.CLEAN):
        still = "; the process runs on" if writer.running else ""
        return Death(Kind.CLEAN, end.time, f"ended cleanly: the session was shut down{still}")
    if writer.running:
        return Death(Kind.RUNNING, time, "is running, and not recording into this file: it is a copy")
    if recording.points and (text := _at_limit(recording)):
        return Death(Kind.LIMIT, time, text)
    if writer.boot_id and recording.identity.boot_id != writer.boot_id:
        return Death(Kind.REBOOT, time, "ended without a sign of it, and this machine has been started since, or is another "
                                        "one: it went down with the machine, or was killed")
    return Death(Kind.KILLED, time, f"killed{_memory(recording.points)}, without a sign of how: SIGKILL, the OOM killer, a "
                                    "signal without a handler such as SIGTERM, or os._exit()")


def _survived(recording: Recording, time: float) -> bool:
    """The application has handled the signal and gone on."""
    return bool(recording.points) and recording.points[-1].time > time + 2 * max(1.0, recording.identity.tick)


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({signal.strsignal(number)})"
    except ValueError:
        return f"signal {number}"


def _at_limit(recording: Recording) -> str:
    """"": it was not there, and would not have been within a tick."""
    last = recording.points[-1]
    if last.share >= NEAR_LIMIT:
        return f"killed at {last.share * 100:.0f} % of the memory limit{_used(last)}, most likely by the OOM killer"
    rate = growth(recording.points[-_GROWTH_POINTS:])
    ahead = last.used_bytes + rate * 2 * max(1.0, recording.identity.tick)
    if last.limit_bytes and rate > 0 and ahead >= NEAR_LIMIT * last.limit_bytes:
        return (f"killed at {last.share * 100:.0f} % of the memory limit{_used(last)} and growing by "
                f"{rate / 2**20:,.0f} MiB/s, which reaches it before the next point: most likely by the OOM killer")
    return ""


def growth(points: list[Point]) -> float:
    """Bytes a second of what is used of the limit (without one: of resident memory) over these points."""
    if len(points) < 2 or points[-1].time <= points[0].time:
        return 0.0
    first, last = ((p.used_bytes if p.limit_bytes else p.resident_bytes) for p in (points[0], points[-1]))
    return (last - first) / (points[-1].time - points[0].time)


def _used(point: Point) -> str:
    return f" ({point.used_bytes / 2**20:,.0f} of {point.limit_bytes / 2**20:,.0f} MiB)"


def _memory(points: list[Point]) -> str:
    if not points:
        return ""
    last = points[-1]
    if last.limit_bytes:
        return f" at {last.share * 100:.0f} % of the memory limit{_used(last)}"
    return f" at {last.resident_bytes / 2**20:,.0f} MiB resident, without a memory limit"
