"""Growth that the Python heap does not have: of C libraries, arenas, threads' stacks. Pure.

The resident set minus the live heap is looked at by its lowest value in each of some periods, since both go up and down
with the work. Six minima in a row that rise, by a share of the process that matters, while the live heap has less than a
quarter of that growth, are native growth. Fragmentation leaves the resident set high after a peak: high, and not rising;
where it does rise, by arenas that a few small blocks each keep, the arenas' own bytes are told apart from native memory.
"""

from __future__ import annotations

from typing import NamedTuple

PERIODS = 6
SLACK = 1.15   # a live heap of n bytes takes more pages than n: so much is not called native


class _Period(NamedTuple):
    begin: float
    gap: float    # lowest
    heap: float   # at that moment


class NativeTrend(NamedTuple):
    since: float
    grown_bytes: float
    bytes_per_s: float
    share: float   # of the growth of the process


class NativeGrowth:
    """`observe` at rising times; what it says holds until the next period ends."""

    def __init__(self, period_s: float = 300.0, min_bytes: float = 32 * 1024 * 1024, min_share: float = 0.05) -> None:
        self._period_s, self._min_bytes, self._min_share = period_s, min_bytes, min_share
        self._periods: list[_Period] = []   # the last is going on
        self.trend: NativeTrend | None = None

    def observe(self, now: float, rss_bytes: float, heap_bytes: float, arena_bytes: float = 0.0) -> NativeTrend | None:
        """arena_bytes: what pymalloc has for small blocks. Beyond the live heap it is fragmentation, which is not native."""
        if rss_bytes <= 0:
            return None
        gap = rss_bytes - max(SLACK * heap_bytes, arena_bytes)
        if not self._periods or now - self._periods[-1].begin >= self._period_s:
            self.trend = self._find(rss_bytes)
            self._periods = [*self._periods[-PERIODS:], _Period(now, gap, heap_bytes)]
        elif gap < self._periods[-1].gap:
            self._periods[-1] = self._periods[-1]._replace(gap=gap, heap=heap_bytes)
        return self.trend

    def _find(self, rss_bytes: float) -> NativeTrend | None:
        done = self._periods
        if len(done) <= PERIODS:
            return None
        gaps = [period.gap for period in done]
        grown = gaps[-1] - gaps[0]
        steady = all(b > a for a, b in zip(gaps, gaps[1:], strict=False)) and gaps[-1] - gaps[PERIODS // 2] >= 0.25 * grown
        heap_grown = max(0.0, done[-1].heap - done[0].heap)
        if not steady or grown < max(self._min_bytes, self._min_share * rss_bytes) or heap_grown > 0.25 * grown:
            return None
        return NativeTrend(done[0].begin, grown, grown / (done[-1].begin - done[0].begin), grown / (grown + heap_grown))
