"""The rows that a snapshot consists of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# What a dump says of each sample, so that no label of the application's can be called that.
RESERVED_LABELS = frozenset(("trace_id", "span_id", "span_name", "root_span_name", "thread", "sampled", "bytes"))

NO_SPAN = "<no span>"   # the span name of memory allocated while no span was current


class Frame(NamedTuple):
    """One level of a Python stack."""

    function: str
    filename: str
    line: int   # 0 = unknown

    def __str__(self) -> str:
        place = f"{self.filename}:{self.line}" if self.line else self.filename
        return f"{self.function} ({place})"


class Row(NamedTuple):
    """One live sample, or the sum of samples that are gone (a released total).

    A sample of `size` bytes was taken with some probability p, and stands for size/p bytes and 1/p objects.
    """

    stack: tuple[Frame, ...]   # leaf first; rows of one stack share the tuple where the producer can
    span_name: str
    root_span_name: str
    trace_id: str              # 32 hexadecimal digits, "" = none or unknown
    span_id: str               # 16 hexadecimal digits, "" = none or unknown
    thread: str
    size: int                  # of the sampled block; 0 in sums
    live_bytes: float
    live_objects: float
    allocated_bytes: float
    allocated_objects: float
    samples: int               # live ones: 1, and 0 for released totals; of a recovered sum as many as it is of
    sampled: bool = True       # False: head sampling dropped the trace, no tracing backend has it
    labels: tuple[tuple[str, str], ...] = ()   # (key, value), by key

    @property
    def is_live(self) -> bool:
        # A block of no bytes is live with live_bytes = 0; the sums of other profilers come without samples.
        return self.samples != 0 or self.live_bytes != 0.0

    @property
    def variance(self) -> float:
        """Of live_bytes: e²(1-p) estimated as by Horvitz and Thompson; of a sum of n samples at most e²/n; infinite where
        neither p nor n is known."""
        if self.live_bytes == 0.0:
            return 0.0
        if self.samples == 0:
            return math.inf
        if self.size == 0:   # a sum: each of its samples is of R at least, and adds R² at most
            return self.live_bytes * self.live_bytes / abs(self.samples)
        probability = min(1.0, self.size / abs(self.live_bytes))
        return self.live_bytes * self.live_bytes * (1.0 - probability)

    def negated(self) -> Row:
        return self._replace(
            live_bytes=-self.live_bytes, live_objects=-self.live_objects,
            allocated_bytes=-self.allocated_bytes, allocated_objects=-self.allocated_objects,
            samples=-self.samples,
        )


class Totals(NamedTuple):
    """The sums over the rows of a snapshot."""

    live_bytes: float
    live_objects: float
    allocated_bytes: float
    allocated_objects: float
    samples: int

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Totals:
        return cls(
            math.fsum(row.live_bytes for row in rows), math.fsum(row.live_objects for row in rows),
            math.fsum(row.allocated_bytes for row in rows), math.fsum(row.allocated_objects for row in rows),
            sum(row.samples for row in rows),
        )

    def minus(self, earlier: Totals) -> Totals:
        return Totals(
            self.live_bytes - earlier.live_bytes, self.live_objects - earlier.live_objects,
            self.allocated_bytes - earlier.allocated_bytes,
            self.allocated_objects - earlier.allocated_objects,
            self.samples - earlier.samples,
        )
