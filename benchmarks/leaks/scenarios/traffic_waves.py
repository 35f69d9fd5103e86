"""Traffic in waves of ninety minutes, a working day told faster; baskets live for ten minutes, so memory follows."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from _shop import record, work

KIND = "bounded"
SPAN = "PUT /basket"
REQUESTS_PER_SECOND = 0.8
DURATION_S = 16_200

baskets: deque[tuple[float, dict[str, Any]]] = deque()


def traffic(t: float) -> float:
    return 1 - 0.8 * math.cos(2 * math.pi * t / 5400)


def setup() -> None:
    baskets.clear()


def request(i: int, now: float) -> None:
    baskets.append((now, record(i, 12_000)))
    while now - baskets[0][0] > 600:
        baskets.popleft()
    work(i)


def teardown() -> None:
    baskets.clear()
