"""What became of all that was produced."""

from __future__ import annotations

from typing import NamedTuple


class SpanCounts(NamedTuple):
    """produced = retained + overwritten + expired + dropped + in_flight, since the start of the ring."""

    produced: int
    retained: int
    """There now, and not past their time to live."""
    overwritten: int
    """Displaced by later ones before their time."""
    expired: int
    """Found past their time to live, by a snapshot or by the one that displaced them."""
    dropped: int
    """Not kept: the ring was full and its policy is to drop, or no slot was to be had without waiting."""
    in_flight: int
    """Being appended at this moment; 0 when nobody is."""
