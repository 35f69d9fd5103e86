"""An OpenTelemetry histogram is recorded with the session's id among its attributes: an aggregation for each session.

The classical unbounded label, in the SDK's own view storage. Seen after "let us have latency by session".
"""

from __future__ import annotations

from typing import Any

from _svc import crunch, spread
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

KIND = "leak"
SPAN = "GET /feed"
SITE = "measure"
HOLDER = "_attributes_aggregation"
REQUESTS_PER_SECOND = 6
DURATION_S = 2100

latency: Any


def measure(i: int) -> None:
    session = f"s-{i // 2:08x}-{spread(i // 2):08x}"
    for step in ("db", "render", "total"):
        latency.record(spread(i) % 900, {"session.id": session, "step": step, "route": "/feed"})


def setup() -> None:
    global latency
    provider = MeterProvider(metric_readers=[InMemoryMetricReader()], shutdown_on_exit=False)
    latency = provider.get_meter("feed").create_histogram("feed.latency", unit="ms")


def request(i: int, now: float) -> None:
    measure(i)
    crunch(i)


def teardown() -> None:
    """The provider goes with the process."""
