"""What a recorder file has to say. Times are seconds since the epoch, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from spanheap.snapshot.row import Frame


def printable(text: str) -> str:
    """What is in a file is the service's, or damage: nothing of it may move the cursor or fill the screen."""
    return "".join(c if c.isprintable() else "�" for c in text[:200])


class Identity(NamedTuple):
    """Whose file it is."""

    program: str
    service: str
    pid: int
    process_start: int
    """Clock ticks after boot, as in /proc/<pid>/stat; 0: not known."""
    pid_namespace: int
    boot_id: str
    started: float
    started_monotonic: float
    python: str
    spanheap: str
    sample_interval: float
    tick: float
    """Seconds; 0: whenever the application wants."""


class Point(NamedTuple):
    """One moment of the memory curve."""

    time: float
    resident_bytes: int
    used_bytes: int
    """Of the limit: by a cgroup's account that is not the same as the resident memory."""
    limit_bytes: int
    """0: there is none, or none is known."""
    live_bytes: float
    active_spans: int
    samples: int

    @property
    def share(self) -> float:
        """Of the limit that is used; 0.0 without one."""
        return self.used_bytes / self.limit_bytes if self.limit_bytes else 0.0


class End(NamedTuple):
    """How the process said that it ended."""

    kind: int
    code: int
    time: float
    text: str


class ActiveSpan(NamedTuple):
    trace_id: str
    span_id: str
    parent_id: str
    """"": none, or not known."""
    name: str
    root_name: str
    start: float
    sampled: bool


class EndedSpan(NamedTuple):
    ticket: int
    """Its number among the spans that ended."""
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: float
    duration: float
    thread: int
    flags: int


class SpanUsage(NamedTuple):
    """Live memory by span."""

    name: str
    root_name: str
    live_bytes: float
    live_objects: float
    """0.0 where it is not known apart from others'."""
    samples: int


class Site(NamedTuple):
    stack: tuple[Frame, ...]
    """Leaf first."""
    depth: int
    """Of the whole stack, of which at most 31 frames are kept."""
    live_bytes: float
    live_objects: float
    samples: int
    spans: tuple[SpanUsage, ...]
    """Those with most of it."""


class RingCounts(NamedTuple):
    """produced = retained + overwritten + expired + dropped + in_flight."""

    produced: int
    retained: int
    overwritten: int
    expired: int
    dropped: int
    in_flight: int
    """Not accounted for: appends that were under way when the process ended, at most two for each thread that had one."""
    torn: int
    """Records that were being written when it ended. They are not shown."""


NO_COUNTS = RingCounts(0, 0, 0, 0, 0, 0, 0)


@dataclass
class Recording:
    """Everything that could be read, and what could not."""

    path: str
    identity: Identity
    ends: dict[int, End] = field(default_factory=dict)
    """By kind."""
    points: list[Point] = field(default_factory=list)
    """Oldest first."""
    active: list[ActiveSpan] = field(default_factory=list)
    """Oldest first."""
    sites: list[Site] = field(default_factory=list)
    """Largest first."""
    spans: list[SpanUsage] = field(default_factory=list)
    """Largest first."""
    sites_time: float = 0.0
    """When sites and spans were written; 0.0: never."""
    live_bytes: float = 0.0
    live_objects: float = 0.0
    live_samples: int = 0
    interval: float = 0.0
    ended: list[EndedSpan] = field(default_factory=list)
    """In the order in which they ended."""
    counts: RingCounts = NO_COUNTS
    damaged: dict[str, int] = field(default_factory=dict)
    """Slots that were left out because they are damaged, by section."""
    missing_bytes: int = 0
    """By which the file is shorter than it was made."""

    @property
    def last_sign(self) -> float:
        """When something in the file was last written, as far as it says."""
        times = [self.identity.started, *(end.time for kind, end in self.ends.items() if kind in (0, 1, 2))]
        times += [point.time for point in self.points[-1:]]
        times += [span.start for span in self.active] + [span.start + span.duration for span in self.ended[-1:]]
        return max(times)
