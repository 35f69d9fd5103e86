"""The "last minutes" of latencies in a deque whose maxlen was forgotten; one of the commonest home-made metrics."""

from __future__ import annotations

from collections import deque
from typing import Any

from _shop import work

KIND = "leak"
SPAN = "GET /health"
SITE = "record_latency"
HOLDER = "latencies"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

latencies: deque[dict[str, Any]] = deque()


def record_latency(i: int, now: float, phase: str) -> None:
    latencies.append(
        {"at": now + i, "route": f"/health/{i % 40}", "phase": phase, "seconds": i % 91 / 1000, "peer": f"10.0.{i}"}
    )


def setup() -> None:
    latencies.clear()


def request(i: int, now: float) -> None:
    for phase in ("dns", "db"):
        record_latency(i, now, phase)
    work(i)


def teardown() -> None:
    latencies.clear()
