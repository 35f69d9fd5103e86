"""Carts live for forty minutes in an expiry heap, while the traffic rises for half an hour."""

from __future__ import annotations

import heapq
from typing import Any

from _load import parts, work

KIND = "bounded"
SPAN = "POST /cart"
REQUESTS_PER_SECOND = 4
DURATION_S = 9000

carts: dict[int, Any] = {}
expiries: list[tuple[float, int]] = []


def traffic(t: float) -> float:
    return min(1.0, 0.3 + 0.7 * t / 1800)


def expire(now: float) -> None:
    while expiries and expiries[0][0] <= now:
        _, cart = heapq.heappop(expiries)
        carts.pop(cart, None)


def setup() -> None:
    carts.clear()
    expiries.clear()


def request(i: int, now: float) -> None:
    expire(now)
    carts[i] = parts(i, 3000)
    heapq.heappush(expiries, (now + 2400, i))
    work(i)


def teardown() -> None:
    carts.clear()
    expiries.clear()
