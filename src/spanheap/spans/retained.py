"""Spans kept after their end, or never ended: what the sample of watched spans says of all. See docs/retained.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

_EXAMPLES = 5

Watched: TypeAlias = tuple[str, str, str, float, "int | None", float, bool, str]
"""Kind, name, root name, spans it stands for, bytes if measured, age in seconds, confirmed, trace id."""


class RetainedSpans(NamedTuple):
    """Spans of one name that have ended and that something still refers to."""

    name: str
    root_name: str
    """Name of their local root: the endpoint."""
    kind: Literal["Span", "ReadableSpan", "both"]
    """Which objects are kept: those that the service started, those that processors and exporters were given, or both."""
    spans: float
    """Estimated number."""
    bytes: float
    """Estimated: what would be freed with them, that is all that nothing but these spans refers to."""
    sampled: int
    """Spans that were looked at; `spans` is off by about spans / sqrt(sampled)."""
    confirmed: float
    """Of `spans`, those that a full garbage collection since their end has left: the others may be garbage in cycles."""
    oldest_age_s: float
    """Since the end."""
    trace_ids: list[str]
    """Of the oldest, at most 5; 32 hex digits."""


class UnendedSpans(NamedTuple):
    """Spans of one name that started long ago, have not ended and still exist."""

    name: str
    root_name: str
    spans: float
    """Estimated number."""
    bytes: float
    """Estimated, as that of RetainedSpans."""
    sampled: int
    oldest_age_s: float
    """Since the start."""
    trace_ids: list[str]


class RetainedTotals(NamedTuple):
    """Estimated sums over all names."""

    retained_spans: float
    retained_bytes: float
    unended_spans: float
    unended_bytes: float


class _Group:
    """Watched spans that are reported together."""

    def __init__(self) -> None:
        self.spans = self.confirmed = 0.0
        self.sampled = 0
        self.measured_spans = self.measured_bytes = 0.0
        self.oldest: list[tuple[float, str]] = []

    def add(self, weight: float, size: int | None, age: float, confirmed: bool, trace_id: str) -> None:
        self.spans += weight
        self.sampled += 1
        self.confirmed += weight * confirmed
        if size is not None:
            self.measured_spans += weight
            self.measured_bytes += weight * size
        self.oldest.append((age, trace_id))

    def bytes(self, mean: float) -> float:
        """`mean`: of a span, where none of these was measured."""
        return self.spans * (self.measured_bytes / self.measured_spans if self.measured_spans else mean)

    def trace_ids(self) -> list[str]:
        ids = dict.fromkeys(trace_id for _, trace_id in sorted(self.oldest, key=lambda item: -item[0]))
        return list(ids)[:_EXAMPLES]


def _grouped(watched: Iterable[Watched]) -> list[tuple[tuple[str, str, str], _Group, float]]:
    """((kind, name, root name), group, bytes), most bytes first."""
    groups: dict[tuple[str, str, str], _Group] = {}
    for kind, name, root_name, weight, size, age, confirmed, trace_id in watched:
        groups.setdefault((kind, name, root_name), _Group()).add(weight, size, age, confirmed, trace_id)
    measured = sum(g.measured_spans for g in groups.values())
    mean = sum(g.measured_bytes for g in groups.values()) / measured if measured else 0.0
    rows = [(key, group, group.bytes(mean)) for key, group in groups.items()]
    return sorted(rows, key=lambda row: (-row[2], -row[1].spans, row[0]))


def retained(watched: Iterable[Watched]) -> list[RetainedSpans]:
    """Grouped by kind, name and root name; most bytes first."""
    return [
        RetainedSpans(name, root_name, kind, g.spans, size, g.sampled, g.confirmed, max(g.oldest)[0], g.trace_ids())  # type: ignore[arg-type]
        for (kind, name, root_name), g, size in _grouped(watched)
    ]


def unended(watched: Iterable[Watched]) -> list[UnendedSpans]:
    """Grouped by name and root name; most bytes first."""
    return [
        UnendedSpans(name, root_name, g.spans, size, g.sampled, max(g.oldest)[0], g.trace_ids())
        for (_, name, root_name), g, size in _grouped(watched)
    ]
