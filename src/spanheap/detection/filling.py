"""Does a container fill evenly? Pure: of its number of entries, at given amounts of traffic.

Samples of a slow leak are few, entries are counted exactly: a table of all user agents, or of all customers, takes in
ever fewer new ones, which its entries tell long before its samples do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

POINTS = 64        # kept; every other is given up when they are that many
EVEN = 0.9         # of the entries per traffic of the first half, in the second: less is filling up
MIN_ENTRIES = 8    # taken in meanwhile; with fewer nothing can be said


@dataclass
class Filling:
    """One container."""

    count: Callable[[], int | None]   # its entries now; None: it is gone
    began_at: float
    points: list[tuple[float, int]] = field(default_factory=list)   # (traffic, entries), rising traffic

    def add(self, traffic: float, entries: int) -> None:
        if self.points and traffic <= self.points[-1][0]:
            return
        if len(self.points) >= POINTS:
            del self.points[1:-1:2]
        self.points.append((traffic, entries))

    def rises(self) -> bool:
        """It has more entries than a few points ago."""
        return len(self.points) >= 4 and self.points[-1][1] > self.points[-4][1]

    def slows_down(self) -> bool:
        """Fewer entries per traffic in the second half than in the first, by more than one standard error."""
        points = self.points
        if len(points) < 4:
            return False
        (first, before), (last, after) = points[0], points[-1]
        middle, between = min(points, key=lambda point: abs(point[0] - (first + last) / 2))
        early, late = between - before, after - between
        if early + late < MIN_ENTRIES or middle in (first, last):
            return False
        ratio = late / (last - middle) / (max(early, 0.5) / (middle - first))
        error = ratio * math.sqrt(1 / max(early, 1) + 1 / max(late, 1))
        return ratio < EVEN - error
