"""What the detector says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from spanheap.snapshot.row import Frame
from spanheap.snapshot.usage import Site

Kind = Literal["leak", "growing", "retained_spans", "unended_spans", "native_growth"]


class Description(NamedTuple):
    """What a group is called, from the samples of this time."""

    site: Site | None
    span_name: str | None
    root_name: str | None
    trace_ids: list[str]


@dataclass(frozen=True, kw_only=True)
class LeakVerdict:
    """Memory that grows and is not given back. `Session.leaks()`; docs/detection.md."""

    kind: Kind
    """`leak`: steady growth, and hard evidence. `growing`: steady growth for long, held by what may have a bound that is not
    reached yet. `retained_spans`: spans that have ended and are kept. `unended_spans`: spans that are never ended.
    `native_growth`: the process grows and its Python heap does not."""
    site: Site | None
    """Where most of it was allocated; None for `native_growth`."""
    span_name: str | None
    """Of most of it."""
    root_name: str | None
    """The endpoint: the local root of most of it."""
    trace_ids: list[str] = field(hash=False)
    """Examples, oldest first: 32 hex digits, at most 5."""
    live_bytes: float
    """Estimated: what has been kept so far."""
    growth_bytes_per_s: float
    share_of_growth: float
    """Of the growth of the whole Python heap (of `native_growth`: of the process) over the same time, 0 to 1."""
    confidence: float
    """0 to 1. Of `growing` at most 0.5."""
    time_to_limit_s: float | None
    """Until the memory limit at this rate; None: no limit is known, or it is not growing."""
    holder: str | None
    """Who keeps it alive, as `Session.holders` says it; None: not looked for, or not found."""
    since: float
    """When the growth began, by the clock of `Session.tick(now)`: Unix seconds, where a thread ticks."""
    reason: str = field(default="", compare=False)
    """Why this kind and no other, in words."""
    container: str = field(default="", compare=False, repr=False)
    """What grows, without its size: verdicts that name the same one tell of one thing."""

    through: str = field(default="", compare=False, repr=False)
    """Kept spans: what holds each, that is in the container; "": nothing between."""

    @property
    def application_frame(self) -> Frame | None:
        """The innermost frame of the user's own code."""
        return self.site.application_frame if self.site is not None else None

    def __str__(self) -> str:
        where = f" at {self.application_frame}" if self.application_frame else ""
        of = f", root span {self.root_name!r}" if self.root_name else ""
        limit = f", memory limit in {_duration(self.time_to_limit_s)}" if self.time_to_limit_s is not None else ""
        held = f"; held by {self.holder}" if self.holder else ""
        return (
            f"{self.kind}: {_bytes(self.live_bytes)} kept, {_bytes(self.growth_bytes_per_s * 3600)} more an hour{limit}"
            f"{where}{of}{held}"
        )


def _bytes(n: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if abs(n) < 1024:
            return f"{n:.4g} {unit}"
        n /= 1024
    return f"{n:,.4g} GiB"


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"
