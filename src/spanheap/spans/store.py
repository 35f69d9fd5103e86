"""What the session knows of spans."""

from __future__ import annotations

import time
from typing import NamedTuple

from spanheap import _core
from spanheap.spans import watch
from spanheap.spans.retained import RetainedSpans, RetainedTotals, UnendedSpans


class ActiveSpan(NamedTuple):
    """A span that has started and not ended."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    name: str
    root_name: str
    """Name of the local root: the endpoint."""
    age_s: float


class SpanStore:
    """`Session.spans`."""

    def active(self, n: int = 10) -> list[ActiveSpan]:
        """The n active spans that started first, oldest first."""
        if n < 0:
            raise ValueError(f"n must be at least 0, not {n}")
        now = time.time_ns()
        return [
            ActiveSpan(trace_id, span_id, name, root_name, (now - start_ns) / 1e9)
            for trace_id, span_id, name, root_name, start_ns in _core.active_spans(min(n, 0xFFFFFFFF))
        ]

    # ------------------------------------------------------------ retained and unended (docs/retained.md)

    def retained(self, *, grace: float = watch.GRACE_S) -> list[RetainedSpans]:
        """Spans that something still refers to `grace` seconds after their end, by name; most bytes first.

        Not those that a BatchSpanProcessor still has to export. Ages are those of the ticks: a span is found at the first
        tick that is `grace` seconds after the first tick after its end. Raises TypeError or ValueError for a wrong grace.
        """
        return watch.retained_spans(grace)

    def unended(self, *, age: float = watch.UNENDED_AGE_S) -> list[UnendedSpans]:
        """Spans that started `age` seconds ago, have not ended and still exist, by name; most bytes first.

        Raises TypeError or ValueError for a wrong age.
        """
        return watch.unended_spans(age)

    def retained_totals(self) -> RetainedTotals:
        """The sums of both with the default grace and age, as of the last tick: cheap, for gauges and detectors."""
        return watch.totals()
