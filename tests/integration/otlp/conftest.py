"""What these tests share: a session with a heap of known spans, and receivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import spanheap

from ._receiver import Receiver

RESOURCE = {"service.name": "shop", "service.version": "1.2", "shop.shards": [1, 2], "shop.canary": True, "shop.load": 0.5}


class Service:
    """A traced service under a session that misses no block of theirs; its requests keep what they allocate."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.provider = TracerProvider(resource=Resource(RESOURCE))
        self.session = spanheap.start(
            sample_interval=4096, max_samples=100_000, adaptive=False, tick=None, seed=1, detect=None, dumps=None,
            tracer_provider=self.provider, meter_provider=self.meters)
        self.kept: list[bytearray] = []
        self.spans: list[Any] = []

    def request(self, size: int, tenant: str = "acme") -> None:
        """Keep a block of this size, made in a span below a root."""
        tracer = self.provider.get_tracer("shop")
        with tracer.start_as_current_span("GET /orders"), tracer.start_as_current_span("load order") as span, \
                spanheap.labels(tenant=tenant):
            self.kept.append(bytearray(size))
        self.spans.append(span.get_span_context())

    def metrics(self, name: str) -> dict[str, float]:
        """The values of a metric, by the one attribute."""
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            str(next(iter(point.attributes.values()), "")): point.value
            for resource in data.resource_metrics for scope in resource.scope_metrics
            for metric in scope.metrics if metric.name == name for point in metric.data.data_points
        }


@pytest.fixture
def service() -> Iterator[Service]:
    """A service that has answered three requests."""
    service = Service()
    for i in range(3):
        service.request(100_000 + i, f"tenant-{i}")
    yield service
    service.session.shutdown()
    service.meters.shutdown()
    service.provider.shutdown()


@pytest.fixture
def receivers() -> Iterator[Callable[..., Receiver]]:
    """Make receivers that are closed in the end."""
    made: list[Receiver] = []

    def make(*arguments: Any) -> Receiver:
        made.append(Receiver(*arguments))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()
