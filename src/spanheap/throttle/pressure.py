"""How near the process is to its memory limit.

Pure: what is found and read is asked of two functions, and the time is given. Read from one thread.

Memory is looked at once in a while, and what is let in in between must fit: hard is therefore declared one step ahead,
when the growth since the last look would reach it by the next, and always a sixty-fourth before, which is what the
errors that are let in above it have.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import NamedTuple

from spanheap import memory_limit
from spanheap.memory_limit import Limit, Usage
from spanheap.throttle.thresholds import Thresholds

_RESERVE = 1 / 64
_FIND_AGAIN_S = 60.0   # limits can be changed, and processes moved between cgroups


class Level(enum.IntEnum):
    """What passes."""

    OPEN = 0
    """Everything."""
    SOFT = 1
    """Errors, local roots, and of the rest a fair share of each name."""
    HARD = 2
    """Errors."""


class Pressure(NamedTuple):
    """One look."""

    level: Level
    room: int | None
    """Bytes until hard; None: there is no limit."""


class MemoryPressure:
    """Turns looks at the memory into levels."""

    def __init__(
        self, thresholds: Thresholds, *,
        find: Callable[[], list[Limit]] | None = None,
        read: Callable[[Sequence[Limit]], Usage | None] = memory_limit.tightest,
    ) -> None:
        self._thresholds = thresholds
        self._find = find or (lambda: memory_limit.find(given=thresholds.bytes))
        self._read = read
        self._limits: list[Limit] = []
        self._find_at = float("-inf")
        self._last: Usage | None = None

    @property
    def limits(self) -> list[Limit]:
        """Those found at the last look; empty: none, and the level is always OPEN."""
        return self._limits

    def look(self, now: float) -> Pressure:
        """At `now`, in seconds of a clock that does not go back."""
        if now >= self._find_at:
            self._limits, self._find_at = self._find(), now + _FIND_AGAIN_S
        usage = self._read(self._limits)
        last, self._last = self._last, usage
        if usage is None:
            return Pressure(Level.OPEN, None)
        growth = usage.fraction - last.fraction if last is not None and last.limit == usage.limit else 0.0
        full = self._thresholds.hard * (1 - _RESERVE)
        room = max(0, int((full - usage.fraction) * usage.limit.bytes))
        if usage.fraction < self._thresholds.soft:   # a leap to there, as of a model that is loaded, says nothing
            return Pressure(Level.OPEN, room)
        return Pressure(Level.HARD if usage.fraction + max(growth, 0.0) >= full else Level.SOFT, room)
