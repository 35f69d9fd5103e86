"""Whether a container grows without bound, told from its numbers of entries alone: no clock, no heap.

Growth is measured against the work done: the spans that ended, or the time where there are none. What the first quarter
of the work brings is not judged: caches fill then. In the rest, a cache without bound grows with the work up to the end,
and one that levels off does not. One that has not filled by the end of the run cannot be told from a leak; a longer run
can.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

MIN_READINGS = 5          # with work between them: a quarter to warm up in, and three steps to see
_WARM_UP = 0.25           # of the work
_STEADY = 0.5             # the second half of what is judged must bring this much of what the first one brought
_RISING = 0.75            # of the steps must be rises
_DROP = 0.9               # fewer entries than this share of those before: something is evicted
_OWN_SHARE = 0.5          # of what is gained must be in containers that have grown themselves
_LITTLE_WORK = 0.02       # of all work: a step with less need not be a rise
_SPANS_ARE_WORK = 20      # fewer say nothing of how much was done


class Reading(NamedTuple):
    """What a look saw."""

    time: float     # s
    spans: int      # that had ended
    entries: int
    containers: int = 1   # that they are in, all reached in the same way


class Growth(NamedTuple):
    """Entries gained from the first look to the last, and how fast after the warm-up."""

    gained: int
    per_look: float
    per_1000_spans: float | None   # None: too few spans ended
    per_minute: float


def growth(readings: Sequence[Reading], min_gain: int) -> Growth | None:
    """None: it does not grow by `min_gain` entries, or levels off, or there were too few looks. Readings: oldest first."""
    readings = _from_first_entry(readings)
    work = _work(readings)
    seen = [i for i in range(len(readings)) if i + 1 == len(readings) or work[i + 1] > work[i]]   # of equal work, the last
    if len(seen) < MIN_READINGS:
        return None
    total = work[seen[-1]] - work[seen[0]]
    judged = [i for i in seen if work[i] >= work[seen[0]] + _WARM_UP * total]
    judged_readings = [readings[i] for i in judged]
    entries = [r.entries for r in judged_readings]
    if len(judged) < 3 or entries[-1] - entries[0] < min_gain or not _is_steady(entries, [work[i] for i in judged]):
        return None
    if _unexplained(judged_readings) < max(min_gain, _OWN_SHARE * (entries[-1] - entries[0])):
        return None
    if any(b < _DROP * a for a, b in pairwise(entries)):
        return None
    steps = [readings[j].entries - readings[i].entries for i, j in pairwise(judged)
             if work[j] - work[i] >= _LITTLE_WORK * total]
    if sum(step > 0 for step in steps) < _RISING * len(steps):
        return None
    first, last = judged_readings[0], judged_readings[-1]
    gain, spans, seconds = last.entries - first.entries, last.spans - first.spans, last.time - first.time
    return Growth(
        gained=last.entries - readings[seen[0]].entries,
        per_look=gain / (len(judged) - 1),
        per_1000_spans=1000 * gain / spans if spans >= _SPANS_ARE_WORK else None,
        per_minute=60 * gain / seconds if seconds > 0 else 0.0,
    )


def _unexplained(readings: Sequence[Reading]) -> float:
    """Entries gained, without those of new containers of the old size: these are entries of another one, which grows."""
    first, last = next((r for r in readings if r.containers), readings[-1]), readings[-1]
    new = max(0, last.containers - first.containers)
    return last.entries - readings[0].entries - (new * first.entries / first.containers if new else 0)


def _from_first_entry(readings: Sequence[Reading]) -> Sequence[Reading]:
    """Without the time in which nothing was put in: imports, the start of a service, tests of something else."""
    first = next((i for i, r in enumerate(readings) if r.entries != readings[0].entries), len(readings))
    return readings[max(first - 1, 0):]


def steps_of_work(readings: Sequence[Reading]) -> int:
    """How many of the readings have work between them."""
    if readings and readings[-1].spans - readings[0].spans >= _SPANS_ARE_WORK:
        return len({r.spans for r in readings})
    return len({r.time for r in readings})


def _work(readings: Sequence[Reading]) -> list[float]:
    counted = readings and readings[-1].spans - readings[0].spans >= _SPANS_ARE_WORK
    if counted and readings[len(readings) // 2].spans > readings[0].spans:   # else they began to be counted late
        return [float(r.spans) for r in readings]
    return [r.time for r in readings]


def _is_steady(entries: Sequence[int], work: Sequence[float]) -> bool:
    half = (work[0] + work[-1]) / 2
    middle = min(range(1, len(work) - 1), key=lambda i: abs(work[i] - half))
    before = (entries[middle] - entries[0]) / (work[middle] - work[0])
    after = (entries[-1] - entries[middle]) / (work[-1] - work[middle])
    return after > 0 and after >= _STEADY * before
