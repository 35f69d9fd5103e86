"""A launch: five times the traffic within forty minutes, and with it the requests remembered for one minute each."""

from __future__ import annotations

from collections import deque
from typing import Any

from _shop import record, work

KIND = "bounded"
SPAN = "GET /launch"
REQUESTS_PER_SECOND = 0.7
DURATION_S = 4800

recent: deque[tuple[float, dict[str, Any]]] = deque()


def traffic(t: float) -> float:
    return 1 + 4 * min(1.0, t / 2400)


def setup() -> None:
    recent.clear()


def request(i: int, now: float) -> None:
    recent.append((now, record(i, 40_000)))
    while now - recent[0][0] > 60:
        recent.popleft()
    work(i)


def teardown() -> None:
    recent.clear()
