"""What asks for a dump. Pure: times and readings are given.

A trigger asks until it is told `done`: one that the cooldown held up is not lost, and one that was served asks again only
once what caused it has gone and come back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spanheap.detection.verdict import LeakVerdict

REARM_BELOW = 0.10    # of the limit: a rung asks again when the use was this much lower in between
GROWING_WITHIN = 60.0
GROWING_BY = 0.01     # of the limit, within that many seconds


@dataclass(frozen=True)
class Trigger:
    """A dump is wanted."""

    reason: str
    """`leak`, `growth`, `memory_limit`, `memory_error` or `signal`: what it is counted under."""
    detail: str = ""
    lines: tuple[str, ...] = field(default=(), compare=False)
    """For the dump's comments: `key=value` each."""
    key: object = None
    """Of a verdict: each is served once."""
    verdict: LeakVerdict | None = field(default=None, compare=False)
    """What asks."""
    holders: bool = False
    """Whether the dump should say who holds the largest site."""


class Ladder:
    """The memory limit's two rungs: a full dump, and later one that allocates nothing."""

    def __init__(self, full_at: float | None, aggregates_at: float | None) -> None:
        self._at = {"full": full_at, "aggregates": aggregates_at}
        self._served: set[str] = set()
        self._points: deque[tuple[float, float]] = deque()

    def observe(self, now: float, fraction: float) -> str | None:
        """The rung that asks at this use of the limit (1.0 = all of it): "aggregates", "full" or None."""
        points = self._points
        if points and now < points[-1][0]:   # the clock was set back
            points.clear()
        points.append((now, fraction))
        while len(points) > 2 and points[1][0] <= now - GROWING_WITHIN:
            points.popleft()
        if len(points) > 256:   # ticks of less than a second
            points.popleft()
        for rung, at in self._at.items():
            if at is not None and fraction < at - REARM_BELOW:
                self._served.discard(rung)
        if self._asks("aggregates", fraction):
            return "aggregates"
        return "full" if self._asks("full", fraction) and fraction - points[0][1] >= GROWING_BY else None

    def done(self, rung: str) -> None:
        """What the higher rung has shown, the lower one need not."""
        self._served.add(rung)
        if rung == "aggregates":
            self._served.add("full")

    def _asks(self, rung: str, fraction: float) -> bool:
        at = self._at[rung]
        return at is not None and fraction >= at and rung not in self._served


SAME = 0.95         # overlap of two distributions of the growth over sites
GROWN_AGAIN = 2.0   # growth of this many times what the last dump showed is worth another


def shows_the_same(base: dict[int, float], last: dict[int, float], now: dict[int, float]) -> bool:
    """Whether a dump of `now` would show what that of `last` did, both against `base`: {site: live bytes}."""
    before = {site: size - base.get(site, 0.0) for site, size in last.items() if size > base.get(site, 0.0)}
    after = {site: size - base.get(site, 0.0) for site, size in now.items() if size > base.get(site, 0.0)}
    had, has = sum(before.values()), sum(after.values())
    if had <= 0 or has <= 0:
        return had <= 0 and has <= 0
    overlap = sum(min(size / has, before.get(site, 0.0) / had) for site, size in after.items())
    return overlap >= SAME and has < GROWN_AGAIN * had
