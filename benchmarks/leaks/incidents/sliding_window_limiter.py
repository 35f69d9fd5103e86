"""A rate limiter remembers the requests of the last eight minutes of each of 900 clients, while the traffic doubles."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from _svc import crunch, page, spread

KIND = "bounded"
SPAN = "POST /api"
REQUESTS_PER_SECOND = 6
DURATION_S = 3600
WINDOW_S = 480


class Limiter:
    def __init__(self) -> None:
        self._windows: dict[str, deque[tuple[float, Any]]] = {}
        self._swept = 0.0

    def hit(self, client: str, i: int, now: float) -> int:
        window = self._windows.setdefault(client, deque())
        while window and window[0][0] < now - WINDOW_S:
            window.popleft()
        window.append((now, {"path": f"/api/{i}", "fingerprint": page(i, 3500)}))
        return len(window)

    def sweep(self, now: float) -> None:
        if now - self._swept < 60:
            return
        self._swept = now
        for client in [c for c, w in self._windows.items() if w[-1][0] < now - WINDOW_S]:
            del self._windows[client]


limiter: Limiter


def traffic(t: float) -> float:
    return min(1.0, 0.4 + t / 2500)


def setup() -> None:
    global limiter
    limiter = Limiter()


async def request(i: int, now: float) -> None:
    limiter.sweep(now)
    limiter.hit(f"client-{spread(i) % 900}", i, now)
    await asyncio.sleep(0.01)
    crunch(i)


def teardown() -> None:
    """The limiter goes with the process."""
