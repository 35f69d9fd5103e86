"""Does a container fill evenly? Pure: of its number of entries, at given amounts of traffic.

Samples of a slow leak are few, entries are counted exactly: a table of all user agents, or of all customers, takes in
ever fewer new ones, which its entries tell long before its samples do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

POINTS = 64        # kept; every other is given up when they are that many
MIN_UNEVEN, MAX_UNEVEN = 0.02, 0.05   # how far below 1 the later half may be, as a ratio to the first
UNEVEN_ESTIMATE = 0.1   # of an estimate
SLOWER, MIN_BEFORE = 0.9, 30   # entries per traffic, in units of those before; and so many of those
AT_PACE, MANY_TAKEN = (0.95, 1.15), 200   # neither slower nor begun late, as so many show
MIN_ENTRIES = 8    # taken in meanwhile; with fewer nothing can be said


@dataclass
class Filling:
    """One container."""

    count: Callable[[], int | None]   # its entries now; None: it is gone
    began_at: float
    is_estimate: bool = False   # what is counted
    points: list[tuple[float, int]] = field(default_factory=list)   # (traffic, entries), rising traffic

    def add(self, traffic: float, entries: int) -> None:
        if self.points and traffic <= self.points[-1][0]:
            return
        if len(self.points) >= POINTS:
            del self.points[1:-1:2]
        self.points.append((traffic, entries))

    def slows(self) -> bool:
        """It takes in fewer per traffic than it must have before it was counted: a set of all there are fills up like that.

        Or it had some to begin with: that cannot be told from it."""
        pace = self._pace()
        return pace is not None and pace < SLOWER

    def keeps_pace(self) -> bool:
        """It takes in as many per traffic as in all the time before it was counted."""
        pace = self._pace()
        return pace is not None and AT_PACE[0] <= pace <= AT_PACE[1] and self.events() >= MANY_TAKEN

    def _pace(self) -> float | None:
        """Entries per traffic since, in units of those before; None: too few of them, or not exact."""
        if self.is_estimate or len(self.points) < 4 or self.points[0][0] <= 0 or self.points[0][1] < MIN_BEFORE:
            return None
        (first, before), (last, now) = self.points[0], self.points[-1]
        return (now - before) / (last - first) / (before / first)

    def rises(self) -> bool:
        """It has more entries than a few points ago."""
        return len(self.points) >= 4 and self.points[-1][1] > self.points[-4][1]

    @property
    def entries(self) -> int | None:
        """As of the last look."""
        return self.points[-1][1] if self.points else None

    def stands(self) -> bool:
        """It has no more entries than it had: what is new in it has taken the place of something."""
        return len(self.points) >= 8 and self.points[-1][1] <= self.points[0][1]

    @property
    def taken(self) -> int:
        """Entries more than when the counting began."""
        return self.points[-1][1] - self.points[0][1] if self.points else 0

    def events(self) -> float:
        """The taken in independent steps: what comes five at a time (a record with its fields) tells a fifth as much.

        By how much more the points scatter about an even rate than single entries would."""
        if len(self.points) < 4 or self.taken <= 0:
            return float(self.taken)
        rate = self.taken / (self.points[-1][0] - self.points[0][0])
        steps = list(itertools.pairwise(self.points))
        scatter = sum((after - before - rate * (later - then)) ** 2 / (rate * (later - then))
                      for (then, before), (later, after) in steps) / len(steps)
        return self.taken / max(scatter, 1.0)

    def share_taken(self) -> float:
        """Of the entries that there are."""
        return self.taken / max(self.points[-1][1], 1) if self.points else 0.0

    def fills(self, share: float) -> bool:
        """Evenly, and so much of its entries has come while it was counted."""
        return self.taken >= MIN_ENTRIES and self.share_taken() >= share and self.is_even()

    def is_even(self) -> bool:
        """It takes in as many per traffic as before, within what chance does to so many."""
        chance = 2 / math.sqrt(max(self.taken, 1))   # standard deviation of the ratio of two halves
        return self.evenness() >= 1 - (UNEVEN_ESTIMATE if self.is_estimate else min(max(chance, MIN_UNEVEN), MAX_UNEVEN))

    def still(self) -> float:
        """Entries per traffic in the last eighth, in units of all the time's; 1 while there is too little to tell."""
        if len(self.points) < 16 or self.taken < MIN_ENTRIES:
            return 1.0
        (first, _), (last, now) = self.points[0], self.points[-1]
        since, entries = min(self.points[:-1], key=lambda point: abs(point[0] - (last - (last - first) / 8)))
        return (now - entries) / (last - since) / (self.taken / (last - first))

    def left(self, limit: float) -> float:
        """The traffic until it has so many entries, at the rate of all that was seen; inf: it does not grow."""
        (first, before), (last, now) = self.points[0], self.points[-1]
        return (limit - now) * (last - first) / (now - before) if now > before else float("inf")

    def evenness(self) -> float:
        """Entries per traffic in the second half, in units of the first half's; 1 while there is too little to tell."""
        points = self.points
        if len(points) < 4:
            return 1.0
        (first, before), (last, after) = points[0], points[-1]
        middle, between = min(points, key=lambda point: abs(point[0] - (first + last) / 2))
        early, late = between - before, after - between
        if early + late < MIN_ENTRIES or middle in (first, last):
            return 1.0
        return late / (last - middle) / (max(early, 0.5) / (middle - first))
