"""The oracle: who owns each block, by what OpenTelemetry's public API says while the program runs."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

import spanheap
from spanheap.snapshot import NO_SPAN, Row
from tests.property import blocks

UNSAMPLED = "<unsampled>"
SAMPLED = trace.TraceFlags.SAMPLED


class SpanRecord:
    """A span that has a name. All names in a program differ, so each tells its span."""

    def __init__(
        self, name: str, context: trace.SpanContext, parent: SpanRecord | None, *, dropped: bool = False
    ) -> None:
        self.names = [name]
        self.dropped = dropped
        self.sampled = bool(context.trace_flags & SAMPLED)
        self.trace_id = f"{context.trace_id:032x}"
        self.span_id = f"{context.span_id:016x}"
        self.root: SpanRecord = parent.root if parent else self
        self.ended = False

    def has_name(self, name: str) -> bool:
        """An ended span has its last name; one that runs, or that named a dropped span's root, may show an earlier one."""
        return name == self.names[-1] if self.ended else name in self.names

    def __repr__(self) -> str:
        return self.names[0]


class Nobody(NamedTuple):
    """What has no span with a name."""

    name: str
    trace_id: str = ""   # of a span that was dropped


Owner = SpanRecord | Nobody


class Witness(SpanProcessor):
    """Is told by the SDK which spans start and end, as spanheap is."""

    def __init__(self) -> None:
        self.by_ids: dict[tuple[int, int], SpanRecord] = {}
        self.by_name: dict[str, SpanRecord] = {}

    def record_of(self, context: trace.SpanContext | None) -> SpanRecord | None:
        """The span with these ids, if it has a name."""
        return self.by_ids.get((context.trace_id, context.span_id)) if context else None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """What starts below a span that was dropped is an endpoint of its own."""
        parent = self.record_of(span.parent)
        self._enter(span.name, span.get_span_context(), parent if parent and not parent.dropped else None)

    def dropped(self, name: str, span: trace.Span, parent: trace.Span) -> None:
        """A NamingSampler was asked about this span."""
        self._enter(name, span.get_span_context(), self.record_of(parent.get_span_context()), dropped=True)

    def _enter(
        self, name: str, context: trace.SpanContext, parent: SpanRecord | None, *, dropped: bool = False
    ) -> None:
        record = SpanRecord(name, context, parent, dropped=dropped)
        self.by_ids[context.trace_id, context.span_id] = self.by_name[name] = record

    def on_end(self, span: ReadableSpan) -> None:
        """Its name is final."""
        record = self.record_of(span.get_span_context())
        assert record is not None and record.names[-1] == span.name
        record.ended = True

    def rename(self, span: trace.Span, name: str) -> None:
        """`update_name`, for a span that still runs."""
        span.update_name(name)
        record = self.record_of(span.get_span_context())
        if record:
            record.names.append(name)
            self.by_name[name] = record

    def current(self) -> Owner:
        """Whose memory an allocation is now."""
        span = trace.get_current_span()
        if span is trace.INVALID_SPAN:
            return Nobody(NO_SPAN)
        context = span.get_span_context()
        return self.record_of(context) or Nobody(UNSAMPLED, f"{context.trace_id:032x}")


class Part(NamedTuple):
    """One allocation that is live."""

    site: str
    size: int
    owner: SpanRecord | str
    root: SpanRecord | str
    thread: str
    trace_id: str


class Starting:
    """Owns what is made inside start_span until that has returned."""

    owner: Owner = Nobody(UNSAMPLED)


class Block:
    """A thing of a program with the parts that it consists of."""

    def __init__(self, kind: str, box: blocks.Box, owner: Owner | Starting) -> None:
        self.kind, self.box = kind, box
        self._parts = [
            (blocks.KINDS[kind].make.__name__, size, owner, threading.current_thread().name)
            for size in blocks.sizes(kind, box)
        ]

    def changed(self, site: Callable[..., None] | None, owner: Owner) -> None:
        """Another size: the data was allocated anew. The header stays where it is."""
        if site and (size := blocks.sizes(self.kind, self.box)[-1]) != self._parts[-1][1]:
            self._parts[-1] = (site.__name__, size, owner, threading.current_thread().name)

    def parts(self) -> Iterable[Part]:
        """With owners as they are known by now."""
        for site, size, owner, thread in self._parts:
            known = owner.owner if isinstance(owner, Starting) else owner
            if isinstance(known, SpanRecord):
                yield Part(site, size, known, known.root, thread, known.trace_id)
            else:
                yield Part(site, size, known.name, known.name, thread, known.trace_id)


def is_data(row: Row) -> bool:
    """Live, and made by one of the functions of blocks.py, but for headers that free lists may hold."""
    leaf = row.stack[0]
    if not row.is_live or leaf.filename != blocks.__file__:
        return False
    kind = blocks.SITES.get(leaf.function)
    return kind is not None and row.size not in kind.unseen


class Comparison:
    """Found against expected, once."""

    def __init__(self, witness: Witness, live: Iterable[Block], snapshot: spanheap.HeapSnapshot) -> None:
        self.witness = witness
        self.problems: list[str] = []
        self.expected = Counter(part for block in live for part in block.parts())
        rows = [row for row in snapshot.rows if is_data(row)]
        self._compare_blocks(rows)
        self._compare_views(spanheap.HeapSnapshot(rows, time=snapshot.time, rss_bytes=0, sample_interval=1))

    def _owner(self, name: str) -> SpanRecord | str:
        return self.witness.by_name.get(name, name)

    def _compare_blocks(self, rows: list[Row]) -> None:
        """One row for each allocation, with its site, size, span, root and thread."""
        found: Counter[Part] = Counter()
        for row in rows:
            owner, root = self._owner(row.span_name), self._owner(row.root_span_name)
            found[Part(row.stack[0].function, row.size, owner, root, row.thread, row.trace_id)] += 1
            for record, name in ((owner, row.span_name), (root, row.root_span_name)):
                if isinstance(record, SpanRecord) and not (
                    name in record.names if getattr(owner, "dropped", False) else record.has_name(name)
                ):
                    self.problems.append(f"{record} is called {name!r}, its names were {record.names}")
            # Of a dropped span it is what its start_span call had made before there was an id.
            if isinstance(owner, SpanRecord) and row.span_id != owner.span_id and not (owner.dropped and not row.span_id):
                self.problems.append(f"{owner} has the id {row.span_id} instead of {owner.span_id}")
            if isinstance(owner, SpanRecord) and row.sampled != owner.sampled:
                self.problems.append(f"{owner} is sampled: {row.sampled}")
            if (row.live_bytes, row.live_objects) != (row.size, 1):
                self.problems.append(f"{row.size} bytes stand for {row.live_bytes} bytes, {row.live_objects} objects")
        self.problems += [f"not found: {count} {part}" for part, count in (self.expected - found).items()]
        self.problems += [f"not expected: {count} {part}" for part, count in (found - self.expected).items()]

    def _compare_views(self, data: spanheap.HeapSnapshot) -> None:
        """Live bytes by span, root, thread and trace."""
        for view, key in (
            (data.by_span_name(), lambda part: part.owner),
            (data.by_root_name(), lambda part: part.root),
            (data.by_thread(), lambda part: part.thread),
            (data.by_trace(), lambda part: part.trace_id),
        ):
            expected: Counter[SpanRecord | str] = Counter()
            for part, count in self.expected.items():
                expected[key(part)] += part.size * count
            del expected[""]   # by_trace leaves out what has none
            found: Counter[SpanRecord | str] = Counter()   # a root that dropped spans were named after may show two names
            for usage in view:
                found[self._owner(usage.name)] += usage.live_bytes
            if found != expected:
                self.problems.append(f"found {found}, expected {dict(expected)}")
