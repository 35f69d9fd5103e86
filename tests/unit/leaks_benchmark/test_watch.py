"""What watches a scenario: spanheap driven in virtual time, and the census of spans beside tracemalloc."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spanheap
from benchmarks.leaks.driver import Export
from benchmarks.leaks.watch import SPANS_WATCHED, DetectorWatch, SpanCensus, TraceWatch

pytestmark = pytest.mark.once(reason="the driver of the benchmark")

SCENARIO = SimpleNamespace(path=Path(__file__).resolve(), duration_s=40.0)


def test_detector_is_asked_each_virtual_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """tick() and leaks() in turns, on a real session; what leaks() says is in the result."""
    ticks: list[float] = []
    verdict = SimpleNamespace(kind="leak", site=None, span_name="GET /", root_name="GET /", holder=None)
    monkeypatch.setattr(spanheap.Session, "tick", lambda self, now: ticks.append(now))
    monkeypatch.setattr(spanheap.Session, "leaks", lambda self: [verdict] if ticks[-1] >= 3 else [], raising=False)
    with DetectorWatch(SCENARIO, TracerProvider(shutdown_on_exit=False), 1) as watch:
        watch.begin()
        for now in (1.0, 2.0, 3.0, 4.0):
            watch.at(now)
        watch.end()
    result = watch.result()
    assert ticks == [1.0, 2.0, 3.0, 4.0]
    assert result["detector"] is True
    assert [(one["kind"], one["span_name"], one["at_s"]) for one in result["alarms"]] == [("leak", "GET /", 3.0)]


def test_absent_detector_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of counting as one that finds nothing."""
    monkeypatch.delattr(spanheap.Session, "leaks", raising=False)
    with DetectorWatch(SCENARIO, TracerProvider(shutdown_on_exit=False), 1) as watch:
        watch.begin()
        watch.at(1.0)
        watch.end()
    assert watch.result()["detector"] is False and watch.result()["alarms"] == []


def test_growth_is_known_by_function_and_root_span() -> None:
    """What a check of SITE and SPAN compares with: what stays, not what was there before or went again."""
    kept: list[bytearray] = [keep_in_test(2_000_000)]
    provider = TracerProvider(shutdown_on_exit=False)
    with DetectorWatch(SCENARIO, provider, 1) as watch:
        kept.append(keep_in_test(4_000_000))
        watch.begin()
        with provider.get_tracer("test").start_as_current_span("GET /"):
            kept.append(keep_in_test(8_000_000))
            let_go_in_test(9_000_000)
        watch.end()
    (site, site_bytes), (root, root_bytes) = watch.result()["grown_sites"][0], watch.result()["grown_roots"][0]
    assert site == "keep_in_test" and root == "GET /"
    assert site_bytes == pytest.approx(8_000_000, rel=0.01) and root_bytes == pytest.approx(8_000_000, rel=0.2)


def keep_in_test(size: int) -> bytearray:
    """Allocate so much."""
    return bytearray(size)


def let_go_in_test(size: int) -> int:
    """Allocate so much, and give it back."""
    return len(bytearray(size))


def test_traced_run_has_the_curve_and_what_python_allocated() -> None:
    """Readings every ten virtual seconds, in which growth is exact to a few kilobytes."""
    kept: list[Any] = []
    with TraceWatch(SCENARIO, TracerProvider(shutdown_on_exit=False), 1) as watch:
        watch.begin()
        for second in range(1, 41):
            kept.append(bytearray(100_000))
            watch.at(float(second))
        watch.end()
        result = watch.result()
    times, live = zip(*result["curve"], strict=True)
    assert times == (0.0, 10.0, 20.0, 30.0, 40.0, 40.0)
    assert [later - live[0] for later in live[1:4]] == pytest.approx([1e6, 2e6, 3e6], abs=30_000)
    assert result["python_growth"] == pytest.approx(4e6, rel=0.02)


def test_census_tells_kept_spans_from_unended_ones() -> None:
    """One in eight is watched, so counts are near; the copy that exporters are given counts as the span."""
    provider = TracerProvider(shutdown_on_exit=False)
    census = SpanCensus()
    provider.add_span_processor(census)   # type: ignore[arg-type]
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    kept, open_spans = [], []
    for _ in range(40 * SPANS_WATCHED):
        with tracer.start_as_current_span("exported"):
            pass
        with tracer.start_as_current_span("kept") as span:
            kept.append(span)
        open_spans.append(tracer.start_span("open"))
    exporter.clear()
    for _ in range(40 * SPANS_WATCHED):   # these stay with the exporter
        with tracer.start_as_current_span("exported"):
            pass
    retained, unended = census.alive(ended=True), census.alive(ended=False)
    assert set(retained) == {"kept", "exported"} and set(unended) == {"open"}
    for count in (*retained.values(), *unended.values()):
        assert count == pytest.approx(40 * SPANS_WATCHED, rel=0.6)


def test_exports_happen_in_virtual_time() -> None:
    """Every five seconds, or before the batch processor's own thread would."""
    export = Export()
    processor = export._processor
    flushes: list[bool] = []
    processor.force_flush = lambda *_: flushes.append(True) or True   # type: ignore[method-assign, func-returns-value]
    for now, requests, flushed in ((1.0, 10, 0), (5.0, 20, 1), (6.0, 21, 1), (7.0, 500, 2), (11.9, 501, 2), (12.0, 502, 3)):
        export.at(now, requests)
        assert len(flushes) == flushed, now
    export.provider.shutdown()
