"""Rows summed up: by stack, and by what they were allocated for."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Sequence

from spanheap.snapshot.application import application_frame
from spanheap.snapshot.row import Frame, Row

SHOWN_TRACES = 10   # examples to look up in a tracing backend; by_trace() has them all


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a group of samples stands for: all values are estimates, with `samples` live samples behind them.

    In the difference of two snapshots they are later minus earlier, `samples` too.
    """

    live_bytes: float
    live_objects: float
    allocated_bytes: float
    allocated_objects: float
    samples: int
    variance: float = dataclasses.field(repr=False)   # of live_bytes

    @property
    def relative_error(self) -> float:
        """One standard error of live_bytes, as a share of it: sqrt(Σ e²(1-p)) / |Σ e|, with e = size/p.

        Blocks are sampled independently of each other, with known probabilities p, so the variance of the
        estimate is itself estimated without bias by a sum over the samples taken (Horvitz and Thompson).
        At one sampling interval R a sample's e is at least R, and its part of the variance at most R²; so n
        live samples give 1/sqrt(n) at worst: 10 % at 100 samples. Blocks much larger than R are certain, and
        add nothing.

        Infinite when nothing is live, or when a dump does not say how many samples its sums are made of.
        """
        return math.sqrt(self.variance) / abs(self.live_bytes) if self.live_bytes else math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site(Estimate):
    """All memory allocated at one stack."""

    # Lists are left out of the hash, which is the figures': equal ones have equal figures.
    stack: list[Frame] = dataclasses.field(hash=False)      # leaf first; empty when it is not known
    span_names: list[str] = dataclasses.field(hash=False)   # of the spans it was allocated for, most live bytes first

    @property
    def application_frame(self) -> Frame | None:
        """The innermost frame of the user's own code, or the best there is; None without a stack."""
        return application_frame(self.stack)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanUsage(Estimate):
    """All memory allocated for one span name, local root, trace or thread, or below one line.

    Traces and threads are known of live memory only: by these, `allocated_*` leaves out what was released.
    """

    name: str                # what was grouped by: a span's name, a trace id, a thread's name, a label's value
    span_names: list[str] = dataclasses.field(hash=False)   # most live bytes first, as the next two
    root_names: list[str] = dataclasses.field(hash=False)
    trace_ids: list[str] = dataclasses.field(hash=False)    # at most 10; of traces that were exported
    unsampled_bytes: float   # the part of live_bytes made for traces that head sampling dropped

    @property
    def sampled(self) -> bool:
        """False when all that is live was made for traces that were not exported."""
        return not self.live_bytes or abs(self.unsampled_bytes) < abs(self.live_bytes) * (1 - 1e-9)


class _Sum:
    """Adds up rows, for one Site or SpanUsage."""

    __slots__ = (
        "allocated_bytes", "allocated_objects", "live_bytes", "live_objects",
        "root_names", "samples", "span_names", "trace_ids", "unsampled_bytes", "variance",
    )

    def __init__(self) -> None:
        self.live_bytes = self.live_objects = self.variance = self.unsampled_bytes = 0.0
        self.allocated_bytes = self.allocated_objects = 0.0
        self.samples = 0
        self.span_names: dict[str, float] = {}   # name -> live bytes
        self.root_names: dict[str, float] = {}
        self.trace_ids: dict[str, float] = {}

    def add(self, row: Row) -> None:
        self.live_bytes += row.live_bytes
        self.live_objects += row.live_objects
        self.allocated_bytes += row.allocated_bytes
        self.allocated_objects += row.allocated_objects
        self.samples += row.samples
        self.variance += row.variance
        self.span_names[row.span_name] = self.span_names.get(row.span_name, 0.0) + row.live_bytes
        self.root_names[row.root_span_name] = self.root_names.get(row.root_span_name, 0.0) + row.live_bytes
        if not row.sampled:
            self.unsampled_bytes += row.live_bytes
        elif row.trace_id:
            self.trace_ids[row.trace_id] = self.trace_ids.get(row.trace_id, 0.0) + row.live_bytes

    def site(self, stack: tuple[Frame, ...]) -> Site:
        return Site(
            stack=list(stack), span_names=_largest(self.span_names),
            live_bytes=self.live_bytes, live_objects=self.live_objects, allocated_bytes=self.allocated_bytes,
            allocated_objects=self.allocated_objects, samples=self.samples, variance=self.variance,
        )

    def usage(self, name: str) -> SpanUsage:
        return SpanUsage(
            name=name, span_names=_largest(self.span_names), root_names=_largest(self.root_names),
            trace_ids=_largest(self.trace_ids)[:SHOWN_TRACES], unsampled_bytes=self.unsampled_bytes,
            live_bytes=self.live_bytes, live_objects=self.live_objects, allocated_bytes=self.allocated_bytes,
            allocated_objects=self.allocated_objects, samples=self.samples, variance=self.variance,
        )


def sites(rows: Sequence[Row], n: int | None = None) -> list[Site]:
    """The n sites (all by default) with most live bytes, largest first."""
    if n is not None and n < 0:
        raise ValueError(f"n = {n}: the number of sites must be 0 or more, or None for all of them")
    sums: dict[tuple[Frame, ...], _Sum] = {}
    # Hashing a stack costs more than everything else here, so each tuple is looked up once. The rows keep the
    # tuples alive: an id is not used twice meanwhile.
    by_id: dict[int, _Sum] = {}
    for row in rows:
        group = by_id.get(id(row.stack))
        if group is None:
            group = by_id[id(row.stack)] = sums.setdefault(row.stack, _Sum())
        group.add(row)
    largest = sorted(sums.items(), key=lambda item: (-item[1].live_bytes, -item[1].allocated_bytes))
    return [group.site(stack) for stack, group in largest[:n]]


@functools.lru_cache(maxsize=4096)
def _line_of_stack(stack: tuple[Frame, ...]) -> str:
    frame = application_frame(stack)
    return str(frame) if frame else "<unknown>"


def line_of(row: Row) -> str:
    """The application frame of this row's stack, as text."""
    return _line_of_stack(row.stack)


def usages(rows: Iterable[Row], name: Callable[[Row], str]) -> list[SpanUsage]:
    """The rows grouped by this name of theirs, most live bytes first."""
    return grouped((row, name(row)) for row in rows)


def grouped(rows: Iterable[tuple[Row, str]]) -> list[SpanUsage]:
    """The rows grouped by the name given with each, most live bytes first."""
    sums: dict[str, _Sum] = {}
    for row, key in rows:
        group = sums.get(key)
        if group is None:
            group = sums[key] = _Sum()
        group.add(row)
    largest = sorted(sums.items(), key=lambda item: (-item[1].live_bytes, -item[1].allocated_bytes, item[0]))
    return [group.usage(key) for key, group in largest]


def _largest(weights: dict[str, float]) -> list[str]:
    return sorted(weights, key=lambda key: (-weights[key], key))
