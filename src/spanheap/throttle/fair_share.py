"""A budget of spans shared fairly by their names.

Max-min fairness: of a budget that is too small for all, each name gets what it asks for up to a common share, and the
share is the greatest that fits: names with few spans keep all of theirs, the chatty ones are cut to the same number. The
share follows from how much each name asks for, known only when a window is over; so it is that of the window before, and
in the first one the budget divided by the names seen so far.

Invariants of a window: kept <= budget; kept of a name <= share; names counted <= max_names, what is beyond those shares
one place. Threads call `admits` at once without a lock: what two of them do to the count of a name in the same moment
may be counted once, so a share can be passed by the number of threads; the budget never is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

MAX_NAMES = 1024
_OTHER = ""   # no name: the API has None for an absent one, and the empty name is nobody's


class _Window:
    __slots__ = ("asked", "budget", "kept", "share")

    def __init__(self, budget: int, share: int | None) -> None:
        self.budget = budget
        self.share = share
        self.asked: dict[str, int] = {}
        self.kept = itertools.count()   # its __next__ is atomic, `+= 1` is not


class FairShare:
    """Windows, one after the other: `begin` starts one, `admits` says for each span whether it is kept."""

    def __init__(self, max_names: int = MAX_NAMES) -> None:
        self._max_names = max_names
        self._window = _Window(0, None)

    def begin(self, budget: int) -> None:
        """Start the next window, which keeps at most so many spans. From one thread at a time."""
        if budget < 0:
            raise ValueError(f"budget must be at least 0, not {budget}")
        asked = self._window.asked
        # A copy: a thread may still be counting in there.
        self._window = _Window(budget, max_min_share(list(asked.values()), budget) if asked else None)

    def admits(self, name: str) -> bool:
        """Whether a span of this name is kept; it is counted either way."""
        window = self._window
        asked = window.asked
        before = asked.get(name)
        if before is None:
            if len(asked) >= self._max_names:
                name = _OTHER
                before = asked.get(name, 0)
            else:
                before = 0
        asked[name] = before + 1
        share = window.share
        if share is None:
            share = max(1, window.budget // (len(asked) + 1))
        return before < share and next(window.kept) < window.budget


def max_min_share(asked: Iterable[int], budget: int) -> int:
    """The greatest share, at least 1, with sum(min(a, share) for a in asked) <= budget; the budget if all fit."""
    left, ascending = budget, sorted(asked)
    for i, one in enumerate(ascending):
        each = left // (len(ascending) - i)
        if one > each:
            return max(1, each)
        left -= one
    return max(1, budget)
