"""An OpenTelemetry histogram by route, status and tenant tier: 1,200 combinations, the rare ones late."""

from __future__ import annotations

from typing import Any

from _svc import crunch, spread
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

KIND = "bounded"
SPAN = "GET /page"
REQUESTS_PER_SECOND = 5
DURATION_S = 4800

latency: Any


def measure(i: int) -> None:
    x = spread(i)
    attributes = {"route": f"/page/{x % 100}", "status": (200, 304, 404)[(x >> 8) % 3], "tier": f"tier-{(x >> 16) % 4}"}
    latency.record(x % 700, attributes)


def setup() -> None:
    global latency
    provider = MeterProvider(metric_readers=[InMemoryMetricReader()], shutdown_on_exit=False)
    latency = provider.get_meter("page").create_histogram("page.latency", unit="ms")


def request(i: int, now: float) -> None:
    measure(i)
    crunch(i)


def teardown() -> None:
    """The provider goes with the process."""
