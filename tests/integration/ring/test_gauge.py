"""The size of a ring as a gauge."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader

from spanheap import SpanRing

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


@pytest.fixture
def reader() -> InMemoryMetricReader:
    """A reader that collects when asked."""
    return InMemoryMetricReader()


@pytest.fixture
def provider(reader: InMemoryMetricReader) -> Iterator[MeterProvider]:
    """A provider of its own for each test."""
    provider = MeterProvider([reader])
    yield provider
    provider.shutdown()


def read(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, Any], float]]]:
    """Collect: name -> [(attributes, value)]."""
    data = reader.get_metrics_data()
    scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
    return {
        metric.name: sorted(((dict(p.attributes or {}), p.value) for p in metric.data.data_points), key=repr)
        for scope in scopes for metric in scope.metrics
    }


def test_a_ring_is_exported_in_one_call(reader: InMemoryMetricReader, provider: MeterProvider) -> None:
    """Under the name, kind and unit of docs/metrics.md; the value is what is retained now."""
    ring = SpanRing(10)
    ring.export_gauge(meter_provider=provider)
    for i in range(3):
        ring.append(1, i)
    assert read(reader) == {"span_cache.size": [({}, 3)]}
    for i in range(30):
        ring.append(1, i)
    assert read(reader) == {"span_cache.size": [({}, 10)]}
    [metric] = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics   # type: ignore[union-attr]
    assert isinstance(metric.data, Gauge) and metric.unit == "{span}" and metric.description
    assert "`span_cache.size`" in PAGE.read_text()


def test_the_gauge_does_not_keep_the_ring(reader: InMemoryMetricReader, provider: MeterProvider) -> None:
    """A ring that is gone is no longer reported; a new one is, by the same instrument."""
    ring = SpanRing(10)
    ring.export_gauge("a", meter_provider=provider)
    ring.append(1, 1)
    assert read(reader) == {"a": [({}, 1)]}
    del ring
    gc.collect()
    assert read(reader).get("a", []) == []
    ring = SpanRing(10)
    ring.export_gauge("a", meter_provider=provider)
    assert read(reader) == {"a": [({}, 0)]}


def test_several_rings(
    reader: InMemoryMetricReader, provider: MeterProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Attributes tell them apart, those with the same ones are summed, and a second call changes a ring's."""
    rings = [SpanRing(10) for _ in range(3)]
    for i, ring in enumerate(rings):
        for _ in range(i + 1):
            ring.append(1, 1)
        ring.export_gauge("cache", provider, {"cache": "a" if i < 2 else "b"})
    assert read(reader) == {"cache": [({"cache": "a"}, 3), ({"cache": "b"}, 3)]}
    rings[1].export_gauge("cache", provider, {"cache": "b"})
    assert read(reader) == {"cache": [({"cache": "a"}, 1), ({"cache": "b"}, 5)]}
    assert caplog.records == []   # the SDK warns of an instrument that is made twice


def test_a_ring_made_before_the_provider_is_set(script: Callable[..., str]) -> None:
    """Reports by the same gauge as later ones, and its attributes can be changed; however the provider is given."""
    assert script("""
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        import spanheap
        from tests.integration.ring.test_gauge import read

        early, explicit, late = (spanheap.SpanRing(10) for _ in range(3))
        for i in range(7):
            early.append(1, i)
        explicit.append(1, 1)
        late.append(1, 1)
        early.export_gauge()
        early.export_gauge("other")
        reader = InMemoryMetricReader()
        provider = MeterProvider([reader])
        explicit.export_gauge("other", provider)
        metrics.set_meter_provider(provider)
        late.export_gauge()
        late.export_gauge("other", provider)
        print(read(reader))
        early.export_gauge(attributes={"cache": "early"})
        print(read(reader)["span_cache.size"])
    """) == "{'other': [({}, 9)], 'span_cache.size': [({}, 8)]}\n[({'cache': 'early'}, 7), ({}, 1)]\n"


def test_a_clock_that_raises_hides_its_own_ring_alone(
    reader: InMemoryMetricReader, provider: MeterProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Which is logged once, and the ring is back when its clock is."""
    broken: list[Exception] = []

    def clock() -> int:
        if broken:
            raise broken[0]
        return 1

    bad, good = SpanRing(10, clock=clock), SpanRing(10)
    for ring, name in ((bad, "bad"), (good, "good")):
        ring.append(1, 1)
        ring.export_gauge("cache", provider, {"cache": name})
    broken.append(ValueError("no time"))
    for _ in range(2):
        assert read(reader) == {"cache": [({"cache": "good"}, 1)]}
    [record] = caplog.records
    assert record.name == "spanheap" and "cache leaves out <SpanRing" in record.message and record.exc_info
    broken.clear()
    assert read(reader) == {"cache": [({"cache": "bad"}, 1), ({"cache": "good"}, 1)]}


def test_without_the_sdk_it_does_nothing(script: Callable[..., str]) -> None:
    """And imports neither the SDK nor numpy."""
    assert script("""
        import sys, spanheap
        ring = spanheap.SpanRing(10)
        ring.export_gauge()
        ring.append(1, 1)
        assert len(ring) == 1 and ring.snapshot()
        print([m for m in sys.modules if m.startswith(("numpy", "opentelemetry.sdk"))])
    """) == "[]\n"
