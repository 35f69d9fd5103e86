"""What grew between two heap snapshots: by line, endpoint, span and trace. Knows nothing of the service.

Standard errors. A snapshot's figure for one place adds up Poisson samples of about equal weight, so a figure
of L bytes from n samples has the variance L²/n. Growth is the difference of two such figures and their
variances are added, as if no block were in both snapshots. Those that are in both cancel: the true error is
smaller, what is said here is an upper bound.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from spanheap import Frame, HeapSnapshot, Site, SpanUsage

LISTED = 5   # rows kept of each ranking
NO_FRAME = Frame("<unknown>", "", 0)

Usage = TypeVar("Usage", Site, SpanUsage)
Key = TypeVar("Key", bound=Hashable)


@dataclasses.dataclass
class Growth:
    """The growth of one place, added up over all the stacks or spans that belong to it."""

    live_bytes: float = 0.0
    growth: float = 0.0
    variance: float = 0.0
    samples: int = 0
    span_names: set[str] = dataclasses.field(default_factory=set)

    def add(self, usage: Site | SpanUsage, sign: int) -> None:
        self.growth += sign * usage.live_bytes
        self.samples += sign * usage.samples
        if usage.samples:
            self.variance += usage.live_bytes**2 / usage.samples
        if sign > 0:
            self.live_bytes += usage.live_bytes

    def share_error(self, total: Growth) -> float:
        """Of growth / total.growth, by the delta method: total is this place and an independent rest."""
        share = self.growth / total.growth
        rest = max(0.0, total.variance - self.variance)
        return math.sqrt((1 - share) ** 2 * self.variance + share**2 * rest) / abs(total.growth)

    def row(self, total: Growth) -> dict[str, Any]:
        """For JSON. Where nothing grew in all, there is nothing to have a share of."""
        grew = total.growth > 0
        return {
            "live_bytes": self.live_bytes,
            "growth": self.growth,
            "growth_error": math.sqrt(self.variance),
            "samples": self.samples,
            "share": self.growth / total.growth if grew else None,
            "share_error": self.share_error(total) if grew else None,
        }


def describe_growth(warm: HeapSnapshot, latest: HeapSnapshot) -> dict[str, Any]:
    """Everything the report needs, ready for JSON. Rankings are by growth, largest first."""
    lines = add_up(warm.sites(), latest.sites(), line_of)
    endpoints = add_up(warm.by_root_name(), latest.by_root_name(), name_of)
    spans = add_up(warm.by_span_name(), latest.by_span_name(), name_of)
    total = Growth()
    for place in lines.values():
        total.growth += place.growth
        total.variance += place.variance
    return {
        "seconds": latest.time - warm.time,
        "live_bytes": latest.live_bytes,
        "growth": total.growth,
        "growth_error": math.sqrt(total.variance),
        "rss_bytes": latest.rss_bytes,
        "rss_growth": latest.rss_bytes - warm.rss_bytes,
        "lines": [
            {
                "function": function, "filename": filename, "line": line,
                "span_names": sorted(place.span_names), **place.row(total),
            }
            for (function, filename, line), place in largest(lines)
        ],
        "endpoints": [{"name": name, **place.row(total)} for name, place in largest(endpoints)],
        "spans": [{"name": name, **place.row(total)} for name, place in largest(spans)],
        "traces": [
            {"trace_id": usage.name, "growth": usage.live_bytes, "samples": usage.samples}
            for usage in latest.diff(warm).by_trace()[:LISTED]
        ],
    }


def line_of(site: Site) -> tuple[str, str, int]:
    """The innermost line of the application; the innermost of all where no application is on the stack."""
    frame = site.application_frame or next(iter(site.stack), NO_FRAME)
    return frame.function, frame.filename, frame.line


def name_of(usage: SpanUsage) -> str:
    return usage.name


def add_up(before: Iterable[Usage], after: Iterable[Usage], key: Callable[[Usage], Key]) -> dict[Key, Growth]:
    places: dict[Key, Growth] = {}
    for sign, usages in ((-1, before), (+1, after)):
        for usage in usages:
            place = places.setdefault(key(usage), Growth())
            place.add(usage, sign)
            if sign > 0:
                place.span_names.update(getattr(usage, "span_names", ()))
    return places


def largest(places: dict[Key, Growth]) -> list[tuple[Key, Growth]]:
    return sorted(places.items(), key=lambda item: item[1].growth, reverse=True)[:LISTED]
