"""How fast a series of readings grows: a resistant line, for a gauge and for the time to a limit. Pure.

The readings of the last WINDOW_S are cut into thirds by time. The slope is that between the medians of the first and the
last third, so that neither a peak nor a collection of garbage at the edge moves it; growth is only called so where the
median of the middle third lies between the two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

WINDOW_S = 600.0
EVERY_S = 5.0         # 120 readings at the most: 25 us for a slope
AT_LEAST_S = 30.0     # of readings, before anything is said
FAR = 30 * 86400.0    # a limit that is further away is not in sight


def median(values: Iterable[float]) -> float:
    """The upper one of two; `statistics` would import decimal."""
    found = sorted(values)
    return found[len(found) // 2]


class Growth:
    """`observe` at rising times; a time that goes back begins anew."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()

    def clear(self) -> None:
        self._points.clear()

    def observe(self, now: float, value: float) -> None:
        """A reading; of those that are less than EVERY_S apart only the first counts."""
        points = self._points
        if points and now < points[-1][0]:
            points.clear()
        if points and now - points[-1][0] < EVERY_S:
            return
        points.append((now, value))
        while now - points[0][0] > WINDOW_S:
            points.popleft()

    def _thirds(self) -> tuple[list[tuple[float, float]], ...] | None:
        points = list(self._points)
        if len(points) < 6 or points[-1][0] - points[0][0] < AT_LEAST_S:
            return None
        begin, third = points[0][0], (points[-1][0] - points[0][0]) / 3
        parts: tuple[list[tuple[float, float]], ...] = ([], [], [])
        for time, value in points:
            parts[min(2, int((time - begin) / third))].append((time, value))
        return parts if all(parts) else None   # a gap, of a process that was stopped

    def rate(self) -> float | None:
        """Units per second, negative where it shrinks; None: not known yet."""
        parts = self._thirds()
        if parts is None:
            return None
        (x0, y0), _, (x2, y2) = ((median(x for x, _ in part), median(y for _, y in part)) for part in parts)
        return (y2 - y0) / (x2 - x0)

    def time_to(self, limit: float, value: float) -> float | None:
        """Seconds until `value` becomes `limit` at this rate; None: it does not grow steadily, or the limit is FAR away."""
        parts, rate = self._thirds(), self.rate()
        if parts is None or rate is None or rate <= 0:
            return None
        low, middle, high = (median(y for _, y in part) for part in parts)
        if not low <= middle <= high:
            return None
        seconds = max(0.0, limit - value) / rate
        return seconds if seconds <= FAR else None
