"""The gauges, as a metric reader sees them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from spanheap.telemetry import catalogue
from spanheap.telemetry.runtime_gauges import asyncio_tasks
from tests.receivers import service

BLOCK = 100_000
MIB = 1 << 20
# Reported where label_metrics= names keys, where there are such spans, verdicts or limits, or once there is a history; and
# where there is an exporter of profiles, or a throttle.
ASKED_FOR = {
    "spanheap.heap.live_by_label", "spanheap.span.retained_by_name", "spanheap.span.unended_by_name",
    "spanheap.leak.growth", "spanheap.memory.limit", "spanheap.memory.used", "spanheap.memory.growth",
    "spanheap.memory.time_to_limit", "spanheap.heap.growth", "cpython.gc.pause.duration",
    *(instrument.name for instrument in catalogue.ALL if instrument not in catalogue.INSTRUMENTS),
}
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def listed() -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """What the page says: name -> (kind, unit, attributes)."""
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| `([^`]+)` \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE)
    return {name: (kind, unit, tuple(re.findall("`([^`]+)`", keys))) for name, kind, unit, keys in rows}


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    """A reader that collects when asked."""
    yield InMemoryMetricReader()


@pytest.fixture
def meters(reader: InMemoryMetricReader) -> Iterator[MeterProvider]:
    """A provider of its own for each test."""
    provider = MeterProvider([reader])
    yield provider
    provider.shutdown()


def collect(reader: InMemoryMetricReader) -> dict[str, Any]:
    """The metrics of spanheap's scope by name."""
    data = reader.get_metrics_data()
    found = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            assert scope.scope.name == "spanheap"
            found.update({metric.name: metric for metric in scope.metrics})
    return found


def value(metric: Any) -> float:
    """The one value of a metric without attributes."""
    [point] = metric.data.data_points
    assert not point.attributes
    return float(point.value)


def test_the_page_and_the_catalogue_are_the_same() -> None:
    """In names, kinds, units and attributes, in this order; at least 18, each with a description."""
    known = {i.name: (i.kind, i.unit, i.attributes) for i in catalogue.ALL}
    assert list(known.items()) == list(listed().items())
    assert len(known) == len(catalogue.ALL) >= 18
    assert all(i.description for i in catalogue.ALL)


@pytest.mark.no_sanitizer(reason="the memory of a sanitizer does not grow with what is kept")
def test_everything_on_the_page_is_emitted_and_nothing_else(
    reader: InMemoryMetricReader, meters: MeterProvider, tmp_path: Path
) -> None:
    """With all the attributes and no others, where there is everything to report; figures agree with each other."""
    with service.everything(meters, TracerProvider(), tmp_path) as session:
        metrics, verdicts = service.collected(reader), session.leaks()
        assert verdicts and session.stats().dumps_written
        page = {name: (kind, unit, sorted(keys)) for name, (kind, unit, keys) in listed().items()
                if name not in service.UNREPORTED}
        page["spanheap.recorder.predecessor_deaths"][2].clear()   # nobody died: 0, without attributes
        assert service.described(metrics) == page
        counts = {p.attributes["spanheap.leak.kind"]: p.value for p in metrics["spanheap.leak.count"].data.data_points}
        assert len(counts) == 5 and sum(counts.values()) == len(verdicts)
        growth = {p.attributes["spanheap.root_span.name"]: p.value for p in metrics["spanheap.leak.growth"].data.data_points}
        assert growth["GET /"] == pytest.approx(sum(v.growth_bytes_per_s for v in verdicts if v.root_name == "GET /"))
        assert value(metrics["spanheap.heap.growth"]) == pytest.approx(service.RATE, rel=0.2)
        left = service.LIMIT - session.snapshot().rss_bytes
        assert value(metrics["spanheap.memory.time_to_limit"]) == pytest.approx(
            left / value(metrics["spanheap.memory.growth"]), rel=0.05)
        [limit] = metrics["spanheap.memory.limit"].data.data_points
        assert (limit.value, dict(limit.attributes)) == (service.LIMIT, {"spanheap.memory.limit.source": "given"})


def test_every_instrument_reports_a_plausible_value(reader: InMemoryMetricReader, meters: MeterProvider) -> None:
    """Names, kinds and units as docs/metrics.md lists them, figures as the snapshot has them."""
    traces = TracerProvider()
    with spanheap.profile(
        sample_interval=1, max_samples=1_000_000, tick=None, meter_provider=meters, tracer_provider=traces,
        label_metrics=["tenant"],
    ) as session:
        with traces.get_tracer("t").start_as_current_span("GET /"), spanheap.labels(tenant="acme", job="import"):
            kept = [bytes(BLOCK) for _ in range(50)]
            held = traces.get_tracer("t").start_span("held")
            held.end()
            for now in (0, 1, 70):
                session.tick(now)
            snapshot, metrics = session.snapshot(), collect(reader)
        emitted = {name: (service.kind_of(metric.data), metric.unit) for name, metric in metrics.items()}
        assert emitted == {name: row[:2] for name, row in listed().items() if name in emitted}
        assert set(emitted) >= set(listed()) - ASKED_FOR
        assert all(metric.description for metric in metrics.values())
        assert value(metrics["spanheap.heap.live"]) == pytest.approx(snapshot.live_bytes, rel=0.1)
        assert value(metrics["spanheap.heap.live"]) >= len(kept) * BLOCK
        assert len(kept) <= value(metrics["spanheap.heap.live_objects"]) < len(kept) + 2_500
        assert value(metrics["spanheap.heap.allocated"]) >= value(metrics["spanheap.heap.live"])
        assert value(metrics["process.memory.usage"]) == pytest.approx(snapshot.rss_bytes, rel=0.2)
        assert value(metrics["spanheap.span.active"]) == 1
        assert value(metrics["spanheap.sample.count"]) >= 50
        assert 10_000 < value(metrics["spanheap.profiler.memory"]) < 500e6
        assert 0 < value(metrics["spanheap.profiler.cpu.time"]) < 60
        for name, of in (("retained", "held"), ("unended", "GET /")):
            assert value(metrics[f"spanheap.span.{name}"]) == 1
            assert 2_000 < value(metrics[f"spanheap.span.{name}_memory"]) < 4_000
            [point] = metrics[f"spanheap.span.{name}_by_name"].data.data_points
            assert (point.value, dict(point.attributes)) == (1, {"spanheap.span.name": of})
        [labelled] = metrics["spanheap.heap.live_by_label"].data.data_points
        assert dict(labelled.attributes) == {"spanheap.label.key": "tenant", "spanheap.label.value": "acme"}
        assert len(kept) * BLOCK <= labelled.value < len(kept) * BLOCK * 1.1
        roots = {
            point.attributes["spanheap.root_span.name"]: point.value
            for point in metrics["spanheap.heap.live_by_root"].data.data_points
        }
        assert roots["GET /"] == pytest.approx(len(kept) * BLOCK, rel=0.1)


def test_span_records_are_counted_by_state(reader: InMemoryMetricReader, meters: MeterProvider) -> None:
    """They add up to the spans that ended."""
    traces = TracerProvider()
    with spanheap.profile(tick=None, meter_provider=meters, tracer_provider=traces, span_capacity=10) as session:
        for _ in range(25):
            traces.get_tracer("t").start_span("GET /").end()
        points = collect(reader)["spanheap.span.records"].data.data_points
        states = {point.attributes["spanheap.span.state"]: point.value for point in points}
        assert states == {"retained": 10, "overwritten": 15, "expired": 0, "dropped": 0, "in_flight": 0}
        assert sum(states.values()) == session.spans.counts().produced


def test_root_names_are_bounded(reader: InMemoryMetricReader, meters: MeterProvider) -> None:
    """A service with a thousand span names does not become a thousand time series; nothing is left out of the sum."""
    traces = TracerProvider()
    tracer = traces.get_tracer("t")
    with spanheap.profile(
        sample_interval=1, max_samples=1_000_000, tick=None, meter_provider=meters, tracer_provider=traces
    ):
        kept = []
        for i in range(200):
            with tracer.start_as_current_span(f"GET /{i}"):
                kept.append(bytes(10_000))
        points = collect(reader)["spanheap.heap.live_by_root"].data.data_points
    assert len(points) == 20
    assert sum(point.value for point in points) >= 200 * 10_000
    assert points[-1].attributes == {"spanheap.root_span.name": "<other>"}


def test_nothing_is_reported_after_shutdown_and_a_second_session_reports_again(
    reader: InMemoryMetricReader, meters: MeterProvider
) -> None:
    """Instruments cannot be taken back: they are silent while no session runs, and are not made twice."""
    for _ in range(3):
        with spanheap.profile(sample_interval=1, max_samples=100_000, tick=None, meter_provider=meters):
            kept = bytes(BLOCK)
            metrics = collect(reader)
            assert set(metrics) == set(listed()) - ASKED_FOR
            assert value(metrics["spanheap.heap.live"]) >= BLOCK
            del kept
        assert collect(reader) == {}


def test_counters_do_not_fall(reader: InMemoryMetricReader, meters: MeterProvider) -> None:
    """Not even while samples are thinned, when the past is estimated anew."""
    with spanheap.profile(sample_interval=1, max_samples=64, tick=None, meter_provider=meters, seed=2) as session:
        seen, kept = [], []
        for i in range(10):
            kept += [bytearray(1_000 * (i + 1)) for _ in range(50)]
            metrics = collect(reader)
            seen.append([value(metrics[name]) for name in (
                "spanheap.heap.allocated", "spanheap.sample.count", "spanheap.profiler.cpu.time")])
        assert session.stats().rate_raised > 0
    for before, after in zip(seen, seen[1:], strict=False):
        assert all(a >= b for a, b in zip(after, before, strict=True))


def test_label_values_are_bounded(reader: InMemoryMetricReader, meters: MeterProvider) -> None:
    """The 19 largest values of a key have their own series, the rest is one."""
    kept = []
    with spanheap.profile(
        sample_interval=1, max_samples=100_000, tick=None, meter_provider=meters, label_metrics=("tenant", "absent")
    ):
        for i in range(30):
            with spanheap.labels(tenant=f"tenant {i:02}"):
                kept.append(bytes(BLOCK * (i + 1)))
        points = collect(reader)["spanheap.heap.live_by_label"].data.data_points
    values = {p.attributes["spanheap.label.value"]: p.value for p in points}
    assert set(values) == {f"tenant {i:02}" for i in range(11, 30)} | {"<other>"}
    assert sum(range(1, 12)) * BLOCK <= values["<other>"] < sum(range(1, 12)) * BLOCK * 1.1
    del kept


def test_names_of_retained_spans_are_bounded(reader: InMemoryMetricReader, meters: MeterProvider) -> None:
    """The 19 most frequent names have their own series, the rest is one."""
    traces = TracerProvider()
    tracer = traces.get_tracer("t")
    with spanheap.profile(tick=None, meter_provider=meters, tracer_provider=traces) as session:
        kept = [tracer.start_span(f"GET /{i % 12 * (i % 5)}") for i in range(100)]
        for span in kept:
            span.end()
        for now in range(8):
            session.tick(now)
        points = collect(reader)["spanheap.span.retained_by_name"].data.data_points
    assert len(points) == 20 and points[-1].attributes == {"spanheap.span.name": "<other>"}
    assert sum(point.value for point in points) == 100


def test_asyncio_tasks_are_counted(reader: InMemoryMetricReader, meters: MeterProvider) -> None:
    """From outside of the loop, without a walk over them."""
    async def main() -> int | None:
        tasks = [asyncio.ensure_future(asyncio.sleep(0.05)) for _ in range(50)]
        counted = await asyncio.to_thread(asyncio_tasks)
        await asyncio.gather(*tasks)
        return counted

    before = asyncio_tasks()
    assert before is not None and asyncio.run(main()) == before + 51   # main is one itself
    with spanheap.profile(tick=None, meter_provider=meters):
        assert value(collect(reader)["cpython.asyncio.task.count"]) == asyncio_tasks()
