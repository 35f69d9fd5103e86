"""One span that has ended, as a ring keeps it."""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple


class SpanFlags(IntFlag):
    """`SpanRecord.flags` in `Session.spans`; in a SpanRing of your own they are yours."""

    SAMPLED = 1
    """Its trace is exported."""
    ERROR = 2
    """Its status is an error."""
    ROOT = 4
    """It is a local root: it has no parent, a remote one, or one that was not seen."""
    TRACKED = 8
    """Its start was seen."""


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
    """SpanFlags in `Session.spans`."""
