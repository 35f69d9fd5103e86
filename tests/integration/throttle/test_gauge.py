"""What is shed, as a metric reader sees it."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader

from spanheap.throttle.pressure import Level

from ._service import Exporter, Service

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
REASON = "spanheap.throttle.reason"


def metrics(reader: InMemoryMetricReader) -> list[Any]:
    """Those of spanheap."""
    data = reader.get_metrics_data()
    scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
    return [metric for scope in scopes if scope.scope.name == "spanheap" for metric in scope.metrics]


def read(reader: InMemoryMetricReader) -> dict[str, Any]:
    """Name, with the reason if there is one -> value."""
    return {
        metric.name.removeprefix("spanheap.throttle.") + "".join((point.attributes or {}).values()): point.value
        for metric in metrics(reader) for point in metric.data.data_points
    }


def test_what_is_shed_by_reason(
    service: Callable[..., Service], reader: InMemoryMetricReader, meters: MeterProvider
) -> None:
    """The figures of counts(), under the names, kinds and units of docs/metrics.md."""
    s = service(meter_provider=meters)
    assert read(reader) == {"shedfair_share": 0, "shedhard": 0, "shederror": 0, "level": 0, "waiting": 0}
    s.press(Level.SOFT)
    for _ in range(3):
        s.span("child")
    s.press(Level.HARD)
    for _ in range(5):
        s.span("child")
    assert read(reader) == {"shedfair_share": 3, "shedhard": 5, "shederror": 0, "level": 2, "waiting": 0}
    counts = s.throttle.counts()
    assert (counts.shed_fair_share, counts.shed_hard, counts.shed_error) == (3, 5, 0)
    listed = re.findall(r"^\| `(spanheap\.throttle\.[^`]+)` \| ([^|]+) \| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(
        (m.name, "observable gauge" if isinstance(m.data, Gauge) else "observable counter", m.unit) for m in metrics(reader)
    )
    assert f"`{REASON}`" in PAGE.read_text() and all(m.description for m in metrics(reader))


def test_several_are_summed_and_the_counter_does_not_fall(
    exporter: Exporter, reader: InMemoryMetricReader, meters: MeterProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is gone stays in the sum of what was shed; the level is that of the fullest."""
    services = [Service(exporter, meter_provider=meters) for _ in range(2)]
    services[0].press(Level.HARD)
    services[1].press(Level.SOFT)
    for s in services:
        s.span("child")
    assert read(reader) == {"shedfair_share": 1, "shedhard": 1, "shederror": 0, "level": 2, "waiting": 0}
    services[0].end_all()
    services[1].end_all()
    assert caplog.records == []   # the SDK warns of an instrument that is made twice
    del s, services[0]
    gc.collect()
    for _ in range(2):
        assert read(reader) == {"shedfair_share": 1, "shedhard": 1, "shederror": 0, "level": 0, "waiting": 0}
    del services
    gc.collect()
    assert read(reader) == {"shedfair_share": 1, "shedhard": 1, "shederror": 0, "waiting": 0}
