"""Memory is reported for the right spans with this version of the SDK, and the SDK's own work is not disturbed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanContext, TraceFlags, format_span_id, format_trace_id

import spanheap
from spanheap.snapshot import Row
from spanheap.spans import sdk

FIRST, STEP = 100_003, 16   # sizes that nothing else has


class Blocks:
    """Blocks that are found by their sizes."""

    def __init__(self, session: spanheap.Session) -> None:
        self.session = session
        self._kept: list[bytes] = []

    def make(self) -> int:
        """Make one here and now; returns its number."""
        self._kept.append(bytes(FIRST + STEP * len(self._kept)))
        return len(self._kept) - 1

    def rows(self) -> list[Row]:
        """The sample of each block, by its number."""
        by_size = {row.size: row for row in self.session.snapshot().rows if row.is_live}
        return [by_size[sys.getsizeof(block)] for block in self._kept]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Where spans arrive."""
    return InMemorySpanExporter()


@pytest.fixture(params=["synchronous", "concurrent"])
def provider(request: pytest.FixtureRequest, exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    """A provider as services have it: spans are exported in batches, by a thread of the SDK's."""
    processors = ConcurrentMultiSpanProcessor(2) if request.param == "concurrent" else None
    provider = TracerProvider(active_span_processor=processors)   # type: ignore[arg-type]
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=50))
    yield provider
    provider.shutdown()


@pytest.fixture
def blocks(provider: TracerProvider) -> Iterator[Blocks]:
    """A session in which every byte counts."""
    with spanheap.profile(
        sample_interval=1, max_samples=1_000_000, adaptive=False, tick=None, tracer_provider=provider
    ) as session:
        yield Blocks(session)
        stats = session.stats()
        assert stats.attribution and stats.processor_errors == stats.hook_lost == 0
        assert spanheap._core.valid()


def test_each_block_belongs_to_the_current_span(provider: TracerProvider, blocks: Blocks) -> None:
    """With its ids, its name and its local root, its trace sampled; outside there is none."""
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("GET /orders") as outer:
        blocks.make()
        with tracer.start_as_current_span("query") as inner:
            blocks.make()
    blocks.make()
    rows = blocks.rows()
    for row, span, name in zip(rows, (outer, inner), ("GET /orders", "query"), strict=False):
        ids = span.get_span_context()
        assert (row.trace_id, row.span_id) == (format_trace_id(ids.trace_id), format_span_id(ids.span_id))
        assert (row.span_name, row.root_span_name, row.sampled) == (name, "GET /orders", True)
    assert (rows[2].span_name, rows[2].span_id) == ("<no span>", "")
    stats = blocks.session.stats()
    assert stats.spans_started == stats.spans_ended == 2 and stats.spans_untracked == 0


def test_the_last_name_counts(provider: TracerProvider, blocks: Blocks) -> None:
    """update_name() during the request, or after what it made was reported under the first name."""
    with provider.get_tracer("tests").start_as_current_span("GET") as span:
        blocks.make()
        assert blocks.rows()[0].span_name == "GET"
        span.update_name("GET /users/{id}")
    assert (blocks.rows()[0].span_name, blocks.rows()[0].root_span_name) == ("GET /users/{id}", "GET /users/{id}")


def test_the_spans_own_memory(provider: TracerProvider, blocks: Blocks) -> None:
    """A span is built before it is current; it is told apart by start_span, on the thread that tells the processors.

    ConcurrentMultiSpanProcessor tells them on another thread: then the span's own memory is nobody's, not its parent's.
    """
    concurrent = isinstance(sdk.provider_processors(provider), ConcurrentMultiSpanProcessor)
    tracer = provider.get_tracer("tests")
    attributes = {f"key.{i}": "v" * 50 for i in range(100)}   # a dict of 4.6 KiB
    with tracer.start_as_current_span("parent"):
        kept = [tracer.start_span("kept", attributes=attributes) for _ in range(20)]
    names = {usage.name: usage.live_bytes for usage in blocks.session.snapshot().by_span_name()}
    assert names["<unsampled>" if concurrent else "kept"] > len(kept) * 4_000
    assert names.get("parent", 0) < 0.2 * len(kept) * 4_000
    for span in kept:
        span.end()


def test_sampled_out(blocks: Blocks) -> None:
    """No name without NamingSampler, the name with it; never the name of another span."""
    for wrap, names in ((lambda s: s, ("<unsampled>", "<unsampled>")), (spanheap.NamingSampler, ("dropped", "root"))):
        tracer = TracerProvider(sampler=wrap(ParentBased(ALWAYS_OFF))).get_tracer("tests")
        with tracer.start_as_current_span("root"), tracer.start_as_current_span("dropped"):
            blocks.make()
        row = blocks.rows()[-1]
        assert (row.span_name, row.root_span_name, row.sampled) == (*names, False)


def test_a_ratio_of_traces(blocks: Blocks) -> None:
    """Of head sampling's two kinds of requests each is reported as what it is; all by name."""
    sampler = spanheap.NamingSampler(ParentBased(TraceIdRatioBased(0.5)))
    provider = TracerProvider(sampler=sampler)
    tracer = provider.get_tracer("tests")
    sampled = []
    for i in range(40):
        with tracer.start_as_current_span(f"request {i}") as span:
            sampled.append(span.get_span_context().trace_flags.sampled)
            blocks.make()
    assert [(row.span_name, row.sampled) for row in blocks.rows()] == [
        (f"request {i}", is_sampled) for i, is_sampled in enumerate(sampled)
    ]
    assert 5 < sum(sampled) < 35


def test_record_only(exporter: InMemorySpanExporter, provider: TracerProvider, blocks: Blocks) -> None:
    """Recorded for processors, exported to nobody: tracked, and said not to be sampled."""

    class RecordOnly(Sampler):
        def should_sample(self, *args: object, **kwargs: object) -> SamplingResult:
            return SamplingResult(Decision.RECORD_ONLY)

        def get_description(self) -> str:
            return "record only"

    provider.sampler = RecordOnly()
    with provider.get_tracer("tests").start_as_current_span("recorded"):
        blocks.make()
        assert [span.name for span in blocks.session.spans.active()] == ["recorded"]
    [row] = blocks.rows()
    assert (row.span_name, row.sampled) == ("recorded", False)
    provider.force_flush()
    assert exporter.get_finished_spans() == ()


def test_links(exporter: InMemorySpanExporter, provider: TracerProvider, blocks: Blocks) -> None:
    """A linked span is another trace: it is neither the parent nor who memory is made for."""
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("produce") as produced:
        blocks.make()
    links = [Link(produced.get_span_context(), {"queue": "orders"})]
    with tracer.start_as_current_span("consume", links=links) as consumed:
        blocks.make()
    rows = blocks.rows()
    assert [row.span_name for row in rows] == [row.root_span_name for row in rows] == ["produce", "consume"]
    assert rows[0].trace_id != rows[1].trace_id == format_trace_id(consumed.get_span_context().trace_id)
    provider.force_flush()
    assert exporter.get_finished_spans()[1].links[0].context == produced.get_span_context()


def test_batches_arrive_whole(exporter: InMemorySpanExporter, provider: TracerProvider, blocks: Blocks) -> None:
    """Threads start and end spans while the SDK's thread exports: none is lost, and each block has its span."""
    tracer = provider.get_tracer("tests")
    turn = threading.Lock()   # a block's number is taken and used by one thread at a time
    names: list[str] = []

    def work(worker: int) -> None:
        for i in range(50):
            with tracer.start_as_current_span(f"{worker}"), tracer.start_as_current_span(f"{worker} {i}"), turn:
                blocks.make()
                names.append(f"{worker} {i}")

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.span_name for row in blocks.rows()] == names
    assert provider.force_flush()
    finished = {span.context.span_id: span.name for span in exporter.get_finished_spans() if span.context}
    assert len(finished) == 2 * len(names)
    assert {row.span_id: row.span_name for row in blocks.rows()} == {
        format_span_id(span_id): name for span_id, name in finished.items() if " " in name
    }
    stats = blocks.session.stats()
    assert stats.spans_started == stats.spans_ended == len(finished) and stats.spans_active == 0


def test_a_provider_nobody_told_of(blocks: Blocks) -> None:
    """Its first span is asked for its name; then it has a processor of ours, once."""
    provider = TracerProvider(sampler=ALWAYS_ON)
    tracer = provider.get_tracer("tests")
    for i in range(3):
        with tracer.start_as_current_span(f"foreign {i}"):
            blocks.make()
            blocks.session.force_flush()
    assert [row.span_name for row in blocks.rows()] == [f"foreign {i}" for i in range(3)]
    members = sdk.members(sdk.provider_processors(provider))
    assert [type(member) for member in members] == [spanheap._core.SpanProcessor]


def test_a_span_of_another_make(provider: TracerProvider, blocks: Blocks) -> None:
    """One that keeps its fields elsewhere is known by its public properties, at its start and at its end."""
    members = sdk.members(sdk.provider_processors(provider))
    [processor] = [member for member in members if isinstance(member, spanheap._core.SpanProcessor)]
    ids = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    span = SimpleNamespace(context=ids, parent=None, name="other make")
    processor.on_start(span)
    token = context.attach(context.set_value(sdk.span_key(), span))
    blocks.make()
    context.detach(token)
    processor.on_end(SimpleNamespace(context=ids, parent=None, name="other name"))
    [row] = blocks.rows()
    assert (row.span_name, row.span_id) == ("other name", format_span_id(ids.span_id))
    assert processor.errors == 0 and blocks.session.spans.active() == []
