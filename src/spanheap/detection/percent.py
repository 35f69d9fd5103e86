"""The simple rule: live bytes grew by more than some percent within some time. Wrong at every start and load step. Pure."""

from __future__ import annotations

from collections import deque

POINTS = 16   # kept of the time


class PercentRule:
    """`observe` at rising times gives (since, bytes grown) while the rule holds."""

    def __init__(self, percent: float, within_s: float) -> None:
        self._percent, self._within = percent, within_s
        self._points: deque[tuple[float, float]] = deque()

    def observe(self, now: float, live_bytes: float) -> tuple[float, float] | None:
        points = self._points
        if not points or now - points[-1][0] >= self._within / POINTS:
            points.append((now, live_bytes))
        while len(points) > 1 and points[1][0] <= now - self._within:
            points.popleft()
        since, before = points[0]
        if now - since < self._within * (1 - 2 / POINTS) or before <= 0:
            return None
        grown = live_bytes - before
        return (since, grown) if grown * 100 > self._percent * before else None
