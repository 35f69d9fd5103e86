"""A heap of retries: the delay is in milliseconds and the clock in seconds, so none is ever due."""

from __future__ import annotations

import heapq
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "POST /notify"
SITE = "retry"
HOLDER = "retries"
REQUESTS_PER_SECOND = 4
DURATION_S = 5400

retries: list[tuple[float, int, Any]] = []


def retry(i: int, now: float) -> None:
    heapq.heappush(retries, (now + 30_000, i, parts(i, 1500)))


def run_due(now: float) -> None:
    while retries and retries[0][0] <= now:
        heapq.heappop(retries)


def setup() -> None:
    retries.clear()


def request(i: int, now: float) -> None:
    retry(i, now)
    run_due(now)
    work(i)


def teardown() -> None:
    retries.clear()
