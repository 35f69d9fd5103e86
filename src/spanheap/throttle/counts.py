"""What became of the spans that ended."""

from __future__ import annotations

import itertools
from typing import NamedTuple


class ThrottleCounts(NamedTuple):
    """Since the processor was made. Spans that ended = passed + shed_fair_share + shed_hard + shed_error + waiting."""

    passed: int
    """Given to the wrapped processor."""
    delayed: int
    """Of these: errors that waited for a place in its queue."""
    shed_fair_share: int
    """Above soft: not local roots, and beyond the share of their name."""
    shed_hard: int
    """Above hard: not errors."""
    shed_error: int
    """Errors for which there was no place: the waiting room was full, the process ended, or above hard all was used."""
    waiting: int
    """Errors that wait for a place in the queue now."""
    flushes: int
    """Asked of the wrapped processor."""
    failures: int
    """Inside the throttle, swallowed; the span was passed on. 0 unless there is a bug."""


class Tally:
    """A count that threads add to without a lock, exactly: `next` of an itertools.count is one step under the GIL."""

    __slots__ = ("_count", "add")

    def __init__(self) -> None:
        self._count = itertools.count()
        self.add = self._count.__next__
        """Add one."""

    def value(self) -> int:
        """So many were added."""
        return int(repr(self._count)[6:-1])   # "count(5)": nothing else tells without adding


class Tallies:
    """One for each of ThrottleCounts but `passed`, which the gate counts, and `waiting`, which is a length."""

    __slots__ = ("delayed", "failures", "flushes", "shed_error", "shed_fair_share", "shed_hard")

    def __init__(self) -> None:
        self.delayed = Tally()
        self.shed_fair_share = Tally()
        self.shed_hard = Tally()
        self.shed_error = Tally()
        self.flushes = Tally()
        self.failures = Tally()
