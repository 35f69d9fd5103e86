"""What an audit says of one cache."""

from __future__ import annotations

from typing import Literal, NamedTuple

from spanheap.audit.growth import Growth
from spanheap.audit.sizes import Contents

_KEEPS = 0.5   # of the entries that were looked at lead to an ended span: the cache is one of spans

Kind = Literal["keeps_spans", "grows"]


class Finding(NamedTuple):
    """A container that grew with the work up to the end of the run."""

    kind: Kind
    """`keeps_spans`: most entries lead to an ended span; else `grows`."""
    holder: str
    """By what it is reached: `shop.cache:_spans (dict)`."""
    entries: int
    """At the last look that saw it."""
    gained: int
    """Entries, since the first look."""
    per_look: float
    """Entries gained, on the average after the warm-up."""
    per_1000_spans: float | None
    """Likewise, for 1,000 spans that ended; None: too few did."""
    per_minute: float
    bytes: int
    """About: of the container and what its entries alone refer to."""
    span_name: str
    """Of an ended span in it; "" for `grows`."""
    advice: str
    """What bounds it, in one sentence."""


def finding(holder: str, growth: Growth, contents: Contents) -> Finding:
    kind: Kind = "keeps_spans" if contents.span_share >= _KEEPS else "grows"
    return Finding(
        kind, holder, contents.entries, growth.gained, growth.per_look, growth.per_1000_spans, growth.per_minute,
        contents.bytes, contents.span_name if kind == "keeps_spans" else "", _advice(kind, contents.type),
    )


def _advice(kind: Kind, type_name: str) -> str:
    if kind == "keeps_spans":
        return ("Keep what is needed of an ended span, its ids, name and times, in spanheap.SpanRing(capacity, ttl=…), "
                "and let the span go.")
    if type_name == "lru_cache":
        return "Give lru_cache a maxsize, and no ids of requests or traces as arguments."
    if type_name == "collections.deque":
        return "Give the deque a maxlen; for metadata of spans, use spanheap.SpanRing(capacity, ttl=…)."
    return ("Remove entries by age (TTL) or beyond a maximum number; for metadata of spans, use "
            "spanheap.SpanRing(capacity, ttl=…).")
