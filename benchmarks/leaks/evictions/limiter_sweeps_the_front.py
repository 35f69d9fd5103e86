"""A rate limiter looks at the first 200 keys of its dict in each sweep, to keep sweeps short: they are the partners
that call all the time, and the clients behind them, by address and port, are never reached."""

from __future__ import annotations

from array import array
from collections import deque
from itertools import islice

from _kit import answer, chance, mixed

KIND = "leak"
SPAN = "GET /v1/prices"
SITE = "Window.__init__"
HOLDER = "_windows"
REQUESTS_PER_SECOND = 20
DURATION_S = 3600

PARTNERS = 260
IDLE_S = 600.0


class Window:
    """The calls of a client in the last minute, and how many there were in each second of it."""

    __slots__ = ("calls", "last", "per_second")

    def __init__(self) -> None:
        self.calls: deque[float] = deque()
        self.per_second = array("q", bytes(60 * 8))
        self.last = 0.0

    def hit(self, now: float, limit: int) -> bool:
        while self.calls and self.calls[0] < now - 60:
            self.calls.popleft()
        self.last = now
        if len(self.calls) >= limit:
            return False
        self.calls.append(now)
        self.per_second[int(now) % 60] += 1
        return True


class RateLimiter:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._windows: dict[str, Window] = {}
        self._swept_at = 0.0

    def allow(self, client: str, now: float) -> bool:
        window = self._windows.get(client)
        if window is None:
            window = self._windows[client] = Window()
        return window.hit(now, self._limit)

    def sweep(self, now: float, at_most: int = 200) -> None:
        self._swept_at = now
        for client, window in list(islice(self._windows.items(), at_most)):
            if window.last < now - IDLE_S:
                del self._windows[client]

    def maybe_sweep(self, now: float) -> None:
        if now - self._swept_at >= 15:
            self.sweep(now)


limiter: RateLimiter


def setup() -> None:
    global limiter
    limiter = RateLimiter(limit=120)
    for number in range(PARTNERS):
        limiter.allow(f"partner-{number}", 0.0)


def request(i: int, now: float) -> None:
    if chance(i, 1, 0.6):
        client = f"partner-{mixed(i, 2) % PARTNERS}"
    else:
        client = f"10.{mixed(i, 3) % 200}.{i % 250}.7:{20_000 + mixed(i, 4) % 40_000}"
    if limiter.allow(client, now):
        answer(i)
    limiter.maybe_sweep(now)


def teardown() -> None:
    pass
