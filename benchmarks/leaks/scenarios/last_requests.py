"""The last four thousand requests in a deque with a maxlen, for a debug page: what a leak's remedy looks like."""

from __future__ import annotations

from collections import deque
from typing import Any

from _shop import record, work

KIND = "bounded"
SPAN = "GET /orders"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

requests: deque[dict[str, Any]] = deque(maxlen=4000)


def setup() -> None:
    requests.clear()


def request(i: int, now: float) -> None:
    requests.append(record(i, 2000))
    work(i)


def teardown() -> None:
    requests.clear()
