"""Quotas in windows of five minutes; a window is not dropped when it is over but by a sweep every twenty minutes, that
takes a budget of keys a call and so is late as well."""

from __future__ import annotations

from collections import Counter, deque

from _kit import answer, mixed, text

KIND = "bounded"
SPAN = "GET /v2/data"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 16
DURATION_S = 5400

WINDOW_S = 300
SWEEP_EVERY_S = 1200.0
GRACE_WINDOWS = 1


class QuotaWindow:
    __slots__ = ("by_route", "calls", "fingerprint")

    def __init__(self, client: str, seed: int) -> None:
        self.calls = 0
        self.by_route: Counter[str] = Counter()
        self.fingerprint = text(seed, 700)


class Quotas:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._windows: dict[tuple[str, int], QuotaWindow] = {}
        self._to_sweep: deque[tuple[str, int]] = deque()
        self._swept_at = 0.0

    def take(self, client: str, route: str, i: int, now: float) -> bool:
        key = (client, int(now) // WINDOW_S)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = QuotaWindow(client, i)
        window.calls += 1
        window.by_route[route] += 1
        return window.calls <= self._limit

    def maintain(self, now: float, budget: int = 30) -> None:
        if not self._to_sweep and now - self._swept_at >= SWEEP_EVERY_S:
            self._swept_at = now
            self._to_sweep.extend(self._windows)
        current = int(now) // WINDOW_S
        for _ in range(min(budget, len(self._to_sweep))):
            key = self._to_sweep.popleft()
            if key[1] < current - GRACE_WINDOWS:
                self._windows.pop(key, None)


quotas: Quotas


def setup() -> None:
    global quotas
    quotas = Quotas(limit=600)


def request(i: int, now: float) -> None:
    client = f"key-{mixed(i, 1) % 6000}"
    if quotas.take(client, f"/v2/data/{mixed(i, 2) % 8}", i, now):
        answer(i)
    quotas.maintain(now)


def teardown() -> None:
    pass
