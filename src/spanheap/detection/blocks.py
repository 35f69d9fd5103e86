"""Single blocks that grow: a bytearray appended to for ever, a list of small numbers, an array that is concatenated. Pure.

To the cohorts such a block is one object that is always young: each time it grows it is moved, or copied. So the largest
block of each group is followed by its size. It grows like a leak when it has become larger many times, has never been cut
back, and becomes larger per completed span as it did before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from spanheap.detection.series import GroupKey
from spanheap.detection.trend import Trend

MIN_BYTES = 1024 * 1024       # of a block that is followed: at the default interval nearly all such are sampled
MIN_GROWN = 1.5 * 1024 * 1024
MIN_RISES = 4                 # a table of hashes doubles, a list grows by an eighth at a time
MAX_BLOCKS = 16
POINTS = 96                   # kept of each; then every other is given up
CUT_BACK = 0.9                # of its largest size: it was emptied, in part
MISSED_S = 10.0               # not seen for so long: it is smaller, or not sampled as yet
ABSENT_S = 600.0              # not seen for so long: it has gone
MIN_EVEN = 0.4                # growth per traffic in the newer half, in units of the older one's: it comes in steps
SAMPLES = 32                  # what such a trend counts for: sizes are exact


class BlockKey(NamedTuple):
    """Of the largest block of a group: as GroupKey, and not equal to it."""

    function: int
    filename: int
    root_name: int
    block: bool = True


class Seen(NamedTuple):
    """The largest block of a group now."""

    key: GroupKey
    size: int
    born: int
    in_span: bool


@dataclass
class Block:
    """One that is followed."""

    in_span: bool
    at: float
    points: list[tuple[float, float, float]] = field(default_factory=list)   # (time, traffic, size)
    rises: int = 0
    rose_at: float = 0.0

    def add(self, now: float, traffic: float, size: float) -> None:
        self.at = now
        if self.points and size < CUT_BACK * max(point[2] for point in self.points):
            self.points.clear()
            self.rises = 0
        if self.points and size > self.points[-1][2] * 1.001:
            self.rises += 1
            self.rose_at = now
        if len(self.points) >= POINTS:
            del self.points[1:-1:2]
        self.points.append((now, traffic, size))

    def trend(self, now: float) -> Trend | None:
        """None: it does not grow steadily."""
        if self.rises < MIN_RISES:
            return None
        (since, first, before), (_, last, size) = self.points[0], self.points[-1]
        window, grown = now - since, size - before
        if grown < MIN_GROWN or now - self.rose_at > 0.5 * window or last <= first:
            return None
        middle = min(self.points, key=lambda point: abs(point[1] - (first + last) / 2))
        early, late = middle[2] - before, size - middle[2]
        evenness = (late + 1) / (early + 1) * (middle[1] - first + 1) / (last - middle[1] + 1)
        if evenness < MIN_EVEN:
            return None
        return Trend(window, since, SAMPLES, 0.0, grown, grown / window, evenness, self.in_span)


class Blocks:
    """`observe` at rising times."""

    def __init__(self) -> None:
        self._blocks: dict[GroupKey, Block] = {}

    def observe(self, now: float, traffic: float, seen: Iterable[Seen]) -> None:
        """seen: largest first."""
        met: set[GroupKey] = set()
        for one in seen:
            if one.key in met:
                continue
            met.add(one.key)
            block = self._blocks.get(one.key)
            if block is None:
                if len(self._blocks) >= MAX_BLOCKS:
                    continue
                block = self._blocks[one.key] = Block(one.in_span, now)
            block.add(now, traffic, float(one.size))
        self._blocks = {key: block for key, block in self._blocks.items() if now - block.at <= ABSENT_S}

    def found(self, now: float) -> Iterator[tuple[BlockKey, Trend]]:
        """Those that grow steadily."""
        for key, block in self._blocks.items():
            if now - block.at <= MISSED_S and (trend := block.trend(now)):
                yield BlockKey(*key), trend
