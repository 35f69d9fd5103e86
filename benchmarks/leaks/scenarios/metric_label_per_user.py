"""A histogram with the user id as a label: one child with all its buckets for each user, as prometheus_client keeps them."""

from __future__ import annotations

import bisect

from _shop import work

KIND = "leak"
SPAN = "GET /feed"
SITE = "Histogram.labels"
HOLDER = "_children"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

BOUNDS = [0.005 * 1.6**k for k in range(40)]


class Child:
    def __init__(self, sums: list[float]) -> None:
        self.sums = sums
        self.count = 0

    def observe(self, value: float) -> None:
        self.sums[bisect.bisect_left(BOUNDS, value)] += value
        self.count += 1


class Histogram:
    def __init__(self) -> None:
        self._children: dict[tuple[str, ...], Child] = {}

    def labels(self, *values: str) -> Child:
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = Child([0.0] * (len(BOUNDS) + 1))
        return child


latency = Histogram()


def setup() -> None:
    latency._children.clear()


def request(i: int, now: float) -> None:
    work(i)
    for phase in ("db", "render"):
        latency.labels("GET", "/feed", phase, f"user-{i:07d}").observe(0.01 + i % 7 / 100)


def teardown() -> None:
    latency._children.clear()
