"""The "last minutes" of latencies as log lines in a deque whose maxlen was forgotten; a common home-made metric."""

from __future__ import annotations

from collections import deque

from _shop import work

KIND = "leak"
SPAN = "GET /health"
SITE = "record_latency"
HOLDER = "latencies"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

latencies: deque[str] = deque()


def record_latency(i: int, now: float, phase: str) -> None:
    line = f"{now:.3f} GET /health/{i % 40} phase={phase} seconds={i % 91 / 1000} peer=10.0.{i % 250}.{i % 199}"
    latencies.append(f"{line} trace={i * 2654435761:032x}{i * 40503:032x}".ljust(430))


def setup() -> None:
    latencies.clear()


def request(i: int, now: float) -> None:
    for phase in ("dns", "db"):
        record_latency(i, now, phase)
    work(i)


def teardown() -> None:
    latencies.clear()
