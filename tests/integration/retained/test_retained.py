"""Ended spans that something still refers to."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spanheap

from .conftest import Service


def test_the_storys_leak_is_found_within_ten_seconds(service: Service) -> None:
    """A map that keeps the ended spans of 1,000 requests a second: its endpoint is named first, its size is about right."""
    service.wait(5)
    kept: dict[int, Any] = {}
    found_after = 0
    while not service.spans.retained():
        for i in range(1000):
            kept[len(kept)] = service.request("POST /orders", attributes=1)
            if i % 10 == 0:
                service.request("GET /health")
        service.wait(1)
        found_after += 1
        assert found_after < 10
    [row] = service.spans.retained()
    assert (row.name, row.root_name, row.kind) == ("POST /orders", "POST /orders", "Span")
    held_for_long = len(kept) - 1000 * 5   # the others are within their grace
    assert row.spans == pytest.approx(held_for_long, rel=0.35) and row.sampled > 50
    assert row.bytes / row.spans == pytest.approx(2_800, rel=0.25)
    assert 5 <= row.oldest_age_s <= found_after
    known = {f"{span.get_span_context().trace_id:032x}" for span in kept.values()}
    assert row.trace_ids and set(row.trace_ids) <= known


def test_an_in_memory_exporter_of_12_mb_is_found(service: Service) -> None:
    """An exporter that nobody empties holds ReadableSpans."""
    exporter = InMemorySpanExporter()
    service.provider.add_span_processor(SimpleSpanProcessor(exporter))
    for _ in range(4000):
        service.request()
    service.wait(7)
    [row] = service.spans.retained()
    assert row.kind == "ReadableSpan" and row.spans == pytest.approx(4000, rel=0.25)
    assert row.bytes == pytest.approx(12e6, rel=0.35)
    totals = service.spans.retained_totals()
    assert totals.retained_spans == row.spans and totals.retained_bytes == pytest.approx(row.bytes, rel=0.05)
    exporter.clear()
    assert service.spans.retained() == []
    service.wait(1)
    assert service.spans.retained_totals() == (0, 0, 0, 0)


def test_spans_that_are_let_go_are_not_reported(service: Service) -> None:
    """A service that keeps its spans for less than the grace has none, at any time."""
    recent: list[Any] = []
    for _ in range(20):
        recent += [service.request() for _ in range(50)]
        del recent[:-150]   # three seconds' worth
        service.wait(1)
        assert service.spans.retained() == []
    assert len(service.spans.retained(grace=0)) == 1   # and they were looked at


def test_both_objects_of_a_span_count_once(service: Service) -> None:
    """The service keeps the Span, an exporter the ReadableSpan: one span; what they share is counted once."""
    exporter = InMemorySpanExporter()
    service.provider.add_span_processor(SimpleSpanProcessor(exporter))
    kept = [service.request() for _ in range(100)]
    service.wait(7)
    [both] = service.spans.retained()
    assert (both.kind, both.spans, both.sampled) == ("both", 100, 100)
    exporter.clear()
    [alone] = service.spans.retained()
    assert alone.kind == "Span" and alone.bytes < both.bytes < 2 * alone.bytes
    del kept
    assert service.spans.retained() == []


def test_rows_are_by_final_name_and_endpoint_most_bytes_first(service: Service) -> None:
    """Of spans inside others, with names that come late."""
    kept = []
    for i in range(10):
        with service.tracer.start_as_current_span("GET") as root, service.tracer.start_as_current_span("query") as inner:
            root.update_name("GET /a")
            inner.set_attribute("statement", "x" * 10_000)
        kept.append(inner)
        if i < 5:
            kept.append(root)
    del root, inner
    service.wait(7)
    rows = service.spans.retained()
    assert [(row.name, row.root_name, row.spans) for row in rows] == [("query", "GET", 10), ("GET /a", "GET /a", 5)]
    assert rows[0].bytes == pytest.approx(10 * 13_000, rel=0.1)


def test_only_a_full_collection_confirms(service: Service) -> None:
    """Garbage in a cycle looks retained until it is collected; what is there afterwards is no garbage."""
    gc.collect()
    gc.disable()
    try:
        kept = [service.request("kept") for _ in range(10)]
        for _ in range(20):
            cycle: list[Any] = [service.request("garbage")]
            cycle.append(cycle)
        del cycle
        service.wait(7)
        rows = {row.name: row for row in service.spans.retained()}
        assert rows["kept"].spans == 10 and rows["garbage"].spans == 20
        assert rows["kept"].confirmed == rows["garbage"].confirmed == 0
        gc.collect()
        service.wait(1)
        [row] = service.spans.retained()
        assert (row.name, row.confirmed) == ("kept", len(kept))
    finally:
        gc.enable()


def test_the_grace_is_the_callers_choice(service: Service) -> None:
    """Any from 0 on; another value is refused with the range."""
    kept = service.request()
    service.wait(3)
    assert service.spans.retained() == [] and service.spans.retained(grace=2.5) == []
    [row] = service.spans.retained(grace=2)
    assert row.oldest_age_s == 2.0
    del kept
    for wrong in (-1, float("nan"), 1e9):
        with pytest.raises(ValueError, match="grace must be between 0 and 1,000,000,000 seconds"):
            service.spans.retained(grace=wrong)
    with pytest.raises(TypeError, match="grace must be a number of seconds, not '5'"):
        service.spans.retained(grace="5")   # type: ignore[arg-type]


def test_a_new_session_starts_empty(service: Service) -> None:
    """After a shutdown nothing is reported, and no weak reference is left; the next session sees its own spans only."""
    kept = [service.request("first") for _ in range(10)]
    service.wait(7)
    assert service.spans.retained()
    service.session.shutdown()
    assert service.spans.retained() == [] and service.spans.unended() == []
    service.session.tick(service.now + 1)
    session = spanheap.start(tick=None, tracer_provider=service.provider)
    kept.append(service.request("second"))
    for now in range(8):
        session.tick(now)
    assert [row.name for row in session.spans.retained()] == ["second"]
    session.shutdown()


def test_a_provider_that_is_shut_down_keeps_its_retained_spans_reported(service: Service) -> None:
    """A processor of ours that was shut down is as it was: what is retained stays visible."""
    kept = [service.request() for _ in range(5)]
    service.provider.shutdown()
    service.wait(7)
    assert service.spans.retained()[0].spans == len(kept)


def test_no_reference_keeps_a_span_alive(service: Service) -> None:
    """Neither watching nor measuring nor reporting: when the service lets go, the spans are gone at once."""
    from weakref import ref

    kept = [service.request() for _ in range(50)]
    gone = [ref(span) for span in kept]
    service.wait(7)
    assert service.spans.retained()[0].spans == 50
    del kept
    assert not any(r() for r in gone)


def test_a_span_of_another_make_that_cannot_be_watched_is_counted(service: Service) -> None:
    """One with slots and no place for weak references: the service goes on, the processor has no error."""
    from spanheap import _core

    class Slotted:
        __slots__ = ("context", "name", "parent")

        def __init__(self, number: int) -> None:
            self.context, self.parent, self.name = (1, number, False, 1, {}), None, "slotted"

    processor = _core.SpanProcessor()
    spans = [Slotted(i + 1) for i in range(10)]
    before = _core.watch_counts()["dropped"]
    for span in spans:
        processor.on_start(span)
        processor.on_end(span)
    assert processor.errors == 0 and _core.watch_counts()["dropped"] == before + 10
    service.wait(7)
    assert service.spans.retained() == []


def test_finalizers_of_spans_may_do_anything(service: Service) -> None:
    """A span whose __del__ starts and ends spans, ticks and reports, while it dies in a collection."""

    class Attached:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            service.request("from __del__")
            service.session.tick(service.now)
            service.spans.retained(grace=0)

    for _ in range(10):
        span = service.request()
        span.attached = Attached()
        span.attached.span = span   # a cycle through both
        del span
        service.wait(1)
        gc.collect()
    service.wait(7)
    assert service.spans.retained() == []
    assert service.session.stats().processor_errors == 0
