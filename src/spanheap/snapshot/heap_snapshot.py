"""The heap at one moment."""

from __future__ import annotations

import collections
import operator
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from spanheap.snapshot import usage
from spanheap.snapshot.row import Frame, Row, Totals
from spanheap.snapshot.usage import Site, SpanUsage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class HeapSnapshot:
    """What was live at one moment and for what it was allocated, and what was allocated since the start.

    All figures but the resident set size are estimates from samples; `relative_error` of a Site or SpanUsage
    says how good they are. A snapshot is immutable. Its rows may be given as a function that makes them: it
    is called once, when a view first needs them, or a sum when `totals` are not given.
    """

    def __init__(
        self,
        rows: Sequence[Row] | Callable[[], Sequence[Row]],
        *,
        time: float,
        rss_bytes: int,
        sample_interval: float,
        totals: Totals | None = None,
    ) -> None:
        self.time = time                         # Unix, in seconds
        self.rss_bytes = rss_bytes               # resident set size of the process; 0 = not known
        self.sample_interval = sample_interval   # mean bytes between samples at this time; 0 = not known
        self._totals = totals
        self._lock = threading.Lock()
        self._rows: Sequence[Row] | None = None if callable(rows) else rows
        self._make_rows = rows if callable(rows) else None

    @property
    def rows(self) -> Sequence[Row]:
        """Live samples and released totals, in no particular order."""
        with self._lock:
            if self._rows is None:
                assert self._make_rows is not None
                self._rows = self._make_rows()
                self._make_rows = None   # and with it whatever the rows were made from
            return self._rows

    @property
    def totals(self) -> Totals:
        if self._totals is None:
            self._totals = Totals.of(self.rows)
        return self._totals

    @property
    def live_bytes(self) -> float:
        """Allocated and not yet freed: pprof's in-use."""
        return self.totals.live_bytes

    @property
    def live_objects(self) -> float:
        return self.totals.live_objects

    @property
    def allocated_bytes(self) -> float:
        """Allocated since the start of profiling, freed or not."""
        return self.totals.allocated_bytes

    @property
    def allocated_objects(self) -> float:
        return self.totals.allocated_objects

    @property
    def samples(self) -> int:
        """Live samples behind the live estimates."""
        return self.totals.samples

    def sites(self, n: int | None = None) -> list[Site]:
        """At most n, one for each distinct stack, most live bytes (in a difference: most growth) first."""
        return usage.sites(self.rows, n)

    def by_line(self) -> list[SpanUsage]:
        """All memory by the line of the user's own code it was allocated below, most live bytes first.

        Sites that differ only inside libraries are one line here; `name` is the application frame as text.
        """
        return usage.usages(self.rows, usage.line_of)

    def by_span_name(self) -> list[SpanUsage]:
        """All memory by the name of the span it was allocated for, most live bytes first."""
        return usage.usages(self.rows, operator.attrgetter("span_name"))

    def by_root_name(self) -> list[SpanUsage]:
        """All memory by the name of that span's local root (the endpoint), most live bytes first."""
        return usage.usages(self.rows, operator.attrgetter("root_span_name"))

    def by_trace(self) -> list[SpanUsage]:
        """Live memory by trace, most first; `name` is the trace id. What has no known trace is left out."""
        return usage.usages((row for row in self.rows if row.trace_id), operator.attrgetter("trace_id"))

    def by_label(self, key: str) -> list[SpanUsage]:
        """Live memory by the value of this label, most first. What was made without it is left out."""
        values = ((row, value) for row in self.rows if row.is_live for k, value in row.labels if k == key)
        return usage.grouped(values)

    def by_thread(self, span_name: str | None = None) -> list[SpanUsage]:
        """Live memory by the name of the thread that allocated it, most first; all, or that of one span name.

        `by_thread(NO_SPAN)` tells apart what was allocated outside all spans.
        """
        rows = (row for row in self.rows if row.is_live and span_name in (None, row.span_name))
        return usage.usages(rows, operator.attrgetter("thread"))

    def diff(self, earlier: HeapSnapshot) -> HeapSnapshot:
        """This snapshot minus an earlier one of the same process: with signed values and this one's time.

        A sample that is in both cancels out and has no part in the error of the difference: slow growth of a
        large heap is seen. A difference can be subtracted from again.
        """
        return HeapSnapshot(
            lambda: _subtract(self.rows, earlier.rows),
            time=self.time,
            rss_bytes=self.rss_bytes - earlier.rss_bytes,
            sample_interval=self.sample_interval,
            totals=self.totals.minus(earlier.totals),
        )

    def to_numpy(self) -> npt.NDArray[np.void]:
        """One record for each live sample, as a structured array; `site` is an index into sites()."""
        import numpy as np  # here alone: profiling a service must not make it import numpy

        numbers: dict[tuple[Frame, ...], int] = {tuple(site.stack): i for i, site in enumerate(self.sites())}
        records: list[tuple[Any, ...]] = [
            (
                numbers[row.stack], row.size, row.live_bytes, row.live_objects,
                _number(row.trace_id[:16]), _number(row.trace_id[16:]), _number(row.span_id),
                row.span_name, row.root_span_name, row.thread, row.sampled, dict(row.labels),
            )
            for row in self.rows if row.is_live
        ]
        return np.array(records, dtype=[
            ("site", np.int32), ("size", np.uint64), ("live_bytes", np.float64), ("live_objects", np.float64),
            ("trace_hi", np.uint64), ("trace_lo", np.uint64), ("span_id", np.uint64),
            ("span_name", object), ("root_span_name", object), ("thread", object), ("sampled", np.bool_), ("labels", object),
        ])

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} live_bytes={self.live_bytes:.0f} "
            f"allocated_bytes={self.allocated_bytes:.0f} samples={self.samples} time={self.time:.3f}>"
        )


def _number(hexadecimal: str) -> int:
    return int(hexadecimal or "0", 16)


def _subtract(rows: Sequence[Row], earlier: Sequence[Row]) -> list[Row]:
    # Equal samples are exchangeable: which of them went does not matter, only how many.
    counts = collections.Counter(rows)
    counts.subtract(earlier)
    difference: list[Row] = []
    for row, count in counts.items():
        difference.extend([row] * count if count > 0 else [row.negated()] * -count)
    return difference
