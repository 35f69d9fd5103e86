"""One span that has ended, as a ring keeps it."""

from __future__ import annotations

from typing import NamedTuple


class SpanRecord(NamedTuple):
    """What 64 bytes hold of a span. Ids are ints as OpenTelemetry has them: `f"{record.trace_id:032x}"`."""

    trace_id: int
    span_id: int
    parent_id: int
    """0: none."""
    name: str
    """"<other>" when the ring's table of names was full."""
    start_ns: int
    duration_ns: int
    """At most 2**48 - 1, which is 78 hours."""
    thread: int
    """Of the append: CPython's number of the thread, modulo 4,096."""
    flags: int
