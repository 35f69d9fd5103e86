"""Points of a time series in a deque with maxlen=1_000_000, of which the run fills a fourteenth."""

from __future__ import annotations

from collections import deque
from typing import Any

from _svc import crunch, spread

KIND = "growing_bound_unknown"
SPAN = "POST /points"
REQUESTS_PER_SECOND = 5
DURATION_S = 3600

points: deque[dict[str, Any]] = deque(maxlen=1_000_000)


def setup() -> None:
    points.clear()


def request(i: int, now: float) -> None:
    for k in range(4):
        points.append({"at": now + k / 10, "series": f"s{spread(i, k) % 50}", "value": spread(i, k) / 7})
    crunch(i)


def teardown() -> None:
    points.clear()
