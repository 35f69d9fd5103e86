"""Latency histograms by customer and minute, kept under the minute in milliseconds and pruned before a time in seconds:
nothing is ever old enough."""

from __future__ import annotations

import numpy as np
from _kit import answer, mixed

KIND = "leak"
SPAN = "GET /api/usage"
SITE = "LatencyHistograms.observe"
HOLDER = "_buckets"
REQUIRES = ["numpy"]
REQUESTS_PER_SECOND = 12
DURATION_S = 3600

RETENTION_S = 900
EDGES = np.geomspace(0.5, 30_000.0, 299)


class LatencyHistograms:
    """Fifteen minutes of latencies, by customer and minute."""

    def __init__(self, retention_s: float = RETENTION_S) -> None:
        self._retention_s = retention_s
        self._buckets: dict[tuple[str, int], np.ndarray] = {}
        self._totals = np.zeros(len(EDGES) + 1, dtype=np.int64)

    def observe(self, customer: str, milliseconds: float, now_ms: int) -> None:
        minute = now_ms - now_ms % 60_000
        position = int(EDGES.searchsorted(milliseconds))
        counts = self._buckets.get((customer, minute))
        if counts is None:
            counts = self._buckets[customer, minute] = np.zeros(len(EDGES) + 1, dtype=np.int64)
        counts[position] += 1
        self._totals[position] += 1

    def prune(self, now: float) -> int:
        cutoff = now - self._retention_s
        old = [key for key in self._buckets if key[1] < cutoff]
        for key in old:
            del self._buckets[key]
        return len(old)

    def percentile(self, share: float) -> float:
        running = self._totals.cumsum()
        at = int(running.searchsorted(share * running[-1]))
        return float(EDGES[min(at, len(EDGES) - 1)])


class UsageApi:
    def __init__(self) -> None:
        self.latencies = LatencyHistograms()
        self._pruned_at = 0.0

    def handle(self, i: int, now: float) -> None:
        customer = f"acct-{mixed(i, 1) % 3000}"
        answer(i)
        self.latencies.observe(customer, 1 + mixed(i, 2) % 4000 / 10, int((now + 3600) * 1000))
        if now - self._pruned_at > 120:
            self._pruned_at = now
            self.latencies.prune(now + 3600)
            self.latencies.percentile(0.99)


api: UsageApi


def setup() -> None:
    global api
    api = UsageApi()


def request(i: int, now: float) -> None:
    api.handle(i, now)


def teardown() -> None:
    pass
