"""What grew between two heap snapshots: by line, endpoint, span and trace. Knows nothing of the service."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from spanheap import Frame, HeapSnapshot, Site, SpanUsage

LISTED = 5   # rows kept of each ranking
UNKNOWN = Frame("<unknown>", "", 0)

Usage = TypeVar("Usage", Site, SpanUsage)
Key = TypeVar("Key", bound=Hashable)


@dataclasses.dataclass
class Growth:
    """The growth of one place, added up over all the stacks or spans that belong to it."""

    bytes: float = 0.0
    variance: float = 0.0
    samples: int = 0
    span_names: list[str] = dataclasses.field(default_factory=list)   # those of the largest growth first

    def add(self, usage: Site | SpanUsage) -> None:
        """Samples are independent of each other, so the variances of disjoint usages add up."""
        self.bytes += usage.live_bytes
        self.variance += usage.variance
        self.samples += usage.samples
        self.span_names += (name for name in usage.span_names if name not in self.span_names)

    def share_error(self, total: Growth) -> float:
        """Standard error of bytes / total.bytes, by the delta method: the rest of total is independent."""
        share = self.bytes / total.bytes
        rest = max(0.0, total.variance - self.variance)
        return math.sqrt((1 - share) ** 2 * self.variance + share**2 * rest) / abs(total.bytes)

    def row(self, total: Growth) -> dict[str, Any]:
        """For JSON. Where nothing grew in all, there is nothing to have a share of."""
        grew = total.bytes > 0
        return {
            "growth": self.bytes,
            "growth_error": math.sqrt(self.variance),
            "samples": self.samples,
            "share": self.bytes / total.bytes if grew else None,
            "share_error": self.share_error(total) if grew else None,
        }


def describe_growth(warm: HeapSnapshot, latest: HeapSnapshot) -> dict[str, Any]:
    """Everything the report needs, ready for JSON. Rankings are by growth, largest first."""
    diff = latest.diff(warm)
    live = group(latest.sites(), line_of)
    total = Growth()
    for site in diff.sites():
        total.add(site)
    return {
        "seconds": latest.time - warm.time,
        "live_bytes": latest.live_bytes,
        "rss_bytes": latest.rss_bytes,
        "rss_growth": diff.rss_bytes,
        "growth": total.bytes,
        "growth_error": math.sqrt(total.variance),
        "lines": [
            {
                **frame._asdict(),
                "span_names": growth.span_names,
                "live_bytes": live[frame].bytes if frame in live else 0.0,
                **growth.row(total),
            }
            for frame, growth in largest(group(diff.sites(), line_of))
        ],
        "endpoints": names(diff.by_root_name(), total),
        "spans": names(diff.by_span_name(), total),
        "traces": [
            {"trace_id": usage.name, "span_names": usage.span_names, "growth": usage.live_bytes}
            for usage in diff.by_trace()[:LISTED]
        ],
    }


def line_of(site: Site) -> Frame:
    return site.application_frame or UNKNOWN


def names(usages: list[SpanUsage], total: Growth) -> list[dict[str, Any]]:
    grown = largest(group(usages, lambda usage: usage.name))
    return [{"name": name, **growth.row(total)} for name, growth in grown]


def group(usages: Iterable[Usage], key: Callable[[Usage], Key]) -> dict[Key, Growth]:
    places: dict[Key, Growth] = {}
    for usage in usages:
        places.setdefault(key(usage), Growth()).add(usage)
    return places


def largest(places: dict[Key, Growth]) -> list[tuple[Key, Growth]]:
    return sorted(places.items(), key=lambda item: item[1].bytes, reverse=True)[:LISTED]
