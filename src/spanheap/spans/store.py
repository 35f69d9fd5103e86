"""What a session knows of spans: those that are active, and those that ended last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from spanheap import _core
from spanheap.spans import watch
from spanheap.spans.counts import SpanCounts
from spanheap.spans.record import SpanRecord
from spanheap.spans.retained import RetainedSpans, RetainedTotals, UnendedSpans

if TYPE_CHECKING:
    import numpy as np

_ALL = 0xFFFFFFFF


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


class TraceSpans(NamedTuple):
    """What is known of one trace in this process."""

    active: list[ActiveSpan]
    """Oldest first."""
    ended: list[SpanRecord]
    """In the order in which they ended."""


class SpanNameCounts(NamedTuple):
    """The spans of one name since the session started."""

    name: str
    """"<other>": the sum of those that found no row of their own."""
    root: bool
    """Whether they are local roots: those that are and those that are not have a row each."""
    active: int
    ended: int
    failed: int
    """Of those that ended, with an error as their status."""
    duration_ns: int
    """Of all that ended together."""


def active_spans(n: int, trace_id: int | None = None) -> list[ActiveSpan]:
    """The n active spans of the process, or of this trace in it, that started first."""
    now = time.time_ns()
    return [
        ActiveSpan(trace, span_id, name, root_name, (now - start_ns) / 1e9)
        for trace, span_id, name, root_name, start_ns in _core.active_spans(n, trace_id)
    ]


class SpanStore:
    """`Session.spans`: answers at any time, after the session's end for what had ended till then; docs/spans.md.

    In the child of a fork it is empty.
    """

    def __init__(self, capacity: int, ttl: float, recorder: _core.Recorder | None = None) -> None:
        memory = 0 if recorder is None else recorder.ring_memory
        self._log = _core.SpanLog(capacity, ttl, memory, recorder)
        self._is_open = False

    def _open(self) -> None:
        self._log.open()
        self._is_open = True

    def _close(self) -> None:
        self._is_open = False
        self._log.close()

    def active(self, n: int = 10) -> list[ActiveSpan]:
        """The n active spans that started first, oldest first; none after the session's end."""
        return self._active(_checked_count(n), None)

    def recent(self, n: int | None = None) -> list[SpanRecord]:
        """The n spans that ended last, None: all that are kept; in the order in which they ended."""
        return self._log.records(_ALL if n is None else _checked_count(n))

    def get(self, trace_id: int | str) -> TraceSpans:
        """The spans of this trace, given as an int or as 32 hex digits. Raises ValueError or TypeError for anything else."""
        number = _checked_trace_id(trace_id)
        # In this order, so that one that ends meanwhile is seen twice rather than not at all.
        active = self._active(_ALL, number)
        return TraceSpans(active, self._log.records(_ALL, number))

    def counts(self) -> SpanCounts:
        """What became of all spans that ended: produced = retained + overwritten + expired + dropped + in_flight."""
        return self._log.counts()

    def by_name(self) -> list[SpanNameCounts]:
        """Counts by name, most first. Of the names that ended, 1,022 have rows of their own."""
        active = _core.active_by_name() if self._is_open else {}
        rows = [
            SpanNameCounts(name, root, active.pop((name, root), 0), ended, failed, duration_ns)
            for name, root, ended, failed, duration_ns in self._log.by_name()
        ]
        rows += [SpanNameCounts(name, root, count, 0, 0, 0) for (name, root), count in active.items()]
        return sorted(rows, key=lambda row: (-row.active - row.ended, row.name, row.root))

    def to_numpy(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """All that `recent()` has as a structured array, with names as numbers in `names()`."""
        return self._log.to_numpy()

    def names(self) -> list[str]:
        """The names by their numbers in `to_numpy()`, among others; they stay valid for the life of the process."""
        return self._log.names()

    # ------------------------------------------------------------ retained and unended (docs/retained.md)

    def retained(self, *, grace: float = watch.GRACE_S) -> list[RetainedSpans]:
        """Spans that something still refers to `grace` seconds after their end, by name; most bytes first.

        Not those that a BatchSpanProcessor still has to export, and none after the session's end. Ages are those of the
        ticks: a span is found at the first one that is `grace` seconds after the first one after its end. Raises TypeError
        or ValueError for a wrong grace.
        """
        return watch.retained_spans(grace) if self._is_open else []

    def unended(self, *, age: float = watch.UNENDED_AGE_S) -> list[UnendedSpans]:
        """Spans that started `age` seconds ago, have not ended and still exist, by name; most bytes first.

        Raises TypeError or ValueError for a wrong age.
        """
        return watch.unended_spans(age) if self._is_open else []

    def retained_totals(self) -> RetainedTotals:
        """The sums of both with the default grace and age, as of the last tick: cheap, for gauges and detectors."""
        return watch.totals() if self._is_open else RetainedTotals(0, 0, 0, 0)

    def _active(self, n: int, trace_id: int | None) -> list[ActiveSpan]:
        return active_spans(n, trace_id) if self._is_open else []

    def _counters(self) -> dict[str, int]:
        return self._log.counters()


def _checked_count(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"n must be a whole number, not {n!r}")
    if n < 0:
        raise ValueError(f"n must be at least 0, not {n}")
    return min(n, _ALL)


def _checked_trace_id(trace_id: int | str) -> int:
    if isinstance(trace_id, bool) or not isinstance(trace_id, (int, str)):
        raise TypeError(f"trace_id must be an int or 32 hex digits, not {trace_id!r}")
    if isinstance(trace_id, int):
        if not 0 <= trace_id < 1 << 128:
            raise ValueError(f"trace_id must be between 0 and 2**128 - 1, not {trace_id}")
        return trace_id
    if len(trace_id) != 32 or not set(trace_id) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f"trace_id must be an int or 32 hex digits, not {trace_id!r}")
    return int(trace_id, 16)
