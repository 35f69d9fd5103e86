"""Is a group of samples growing steadily? Statistics of survivors by birth; pure, of one look at one group.

A window of T seconds back from now is looked at, for each T that the epochs offer, the longest first. Survivors that are
born in it and are mature (older than T/8) must

    be many, of many epochs and traces   so that no step and no single request passes for a trend
    have lost few of theirs              by the upper 95 % bound of a Poisson count: a cache that is full, a TTL or a pool
                                         loses as many as it takes up, and says so within one lifetime
    be as many lately as before          per completed span: what levels off is no leak, what follows the traffic neither
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from spanheap.detection.series import Aggregate, Group

MATURE_SHARE = 1 / 8        # of the window
MATURE_S = 2.0              # at least: a tick or two, so that a request's own memory is gone
MIN_EPOCHS = 4
MIN_SAMPLES = 6
MAX_LOST = 0.3              # of the survivors, as an upper bound
MAX_LOST_FEW = 0.5          # of fewer than 10 samples, which cannot prove more
MIN_NEWER = 0.6             # births per span in the newer half of the window, in units of the older half's
MIN_NEWEST = 0.35           # and in the last quarter, in units of the window's
MAX_IN_ONE_EPOCH = 0.4      # of the survivors, beyond its share of the traffic
MIN_SPANS = 20              # in the window; with fewer, time stands for traffic


class Trend(NamedTuple):
    """Growth of a group that looks steady."""

    window_s: float
    since: float              # when the oldest of these survivors may have been born
    samples: int              # mature survivors
    lost: float               # deaths of mature ones, in samples
    grown_bytes: float        # what the mature survivors stand for
    bytes_per_s: float
    newer: float              # births per span, newer half over older half
    in_span: bool = True

    @property
    def certainty(self) -> float:
        """0 to 1: how sure it is that this is growth, from the number of samples and the losses."""
        return (1 - math.exp(-self.samples / 6)) * max(0.0, 1 - upper_bound(self.lost) / max(self.samples, 10))


def upper_bound(count: float) -> float:
    """95 % upper confidence limit of a Poisson mean of which `count` were seen (within 2 %)."""
    return count + 1.35 + 1.65 * math.sqrt(count + 1)


class Windows:
    """What all groups of one look have in common: the windows that its epochs offer, and the traffic."""

    def __init__(self, aggregate: Aggregate) -> None:
        starts, ended = aggregate.starts, aggregate.spans_ended
        self.starts, self.now = starts, starts[-1]
        self.spans = [b - a for a, b in zip(ended[:-1], ended[1:], strict=True)]
        self.seconds = [b - a for a, b in zip(starts[:-1], starts[1:], strict=True)]
        self.has_spans = sum(self.spans[1:]) >= MIN_SPANS
        self.ends: list[int] = [0]   # by first epoch: the first after it that is not mature
        end = 1
        for first in range(1, len(starts) - 1):
            immature = max(MATURE_SHARE * (self.now - starts[first]), MATURE_S)
            end = max(end, first)
            while end < len(starts) - 1 and self.now - starts[end + 1] >= immature:
                end += 1
            self.ends.append(end)

    def traffic(self, group: Group) -> list[float]:
        """Completed spans by epoch, or seconds where those do not tell."""
        return self.spans if group.in_span and self.has_spans else self.seconds


def find(group: Group, aggregate: Aggregate, windows: Windows | None = None) -> Trend | None:
    """The longest window in which this group grows steadily; None when there is none. windows: of this aggregate."""
    windows = windows or Windows(aggregate)
    starts, now, alive = windows.starts, windows.now, group.alive
    traffic = windows.traffic(group)
    shortest = math.inf
    for first in range(1, len(alive) - MIN_EPOCHS + 1):
        window = now - starts[first]
        if alive[first] and window < 0.75 * shortest:   # another scale: not each epoch's
            shortest = window
            if trend := _in_window(group, windows, traffic, first):
                return trend
    return None


def _in_window(group: Group, windows: Windows, traffic: list[float], first: int) -> Trend | None:
    starts, now, end = windows.starts, windows.now, windows.ends[first]
    window = now - starts[first]
    counts = group.alive[first:end]
    samples = sum(counts)
    if samples < MIN_SAMPLES or len(counts) - counts.count(0) < MIN_EPOCHS or group.traces < min(6, samples // 2):
        return None
    # Losses are of the last third of an epoch's age. Those of older epochs, brought to the length of this window:
    lost = sum(group.lost[first:end])
    for i in range(first):
        if loss := group.lost[i]:
            lost += loss * 3 * window / (now - starts[i])
    if upper_bound(lost) > (MAX_LOST if samples >= 10 else MAX_LOST_FEW) * samples:
        return None
    passed = traffic[first:end]
    total = sum(passed)
    if total <= 0 or max([n / samples - t / total for n, t in zip(counts, passed, strict=True)]) > MAX_IN_ONE_EPOCH:
        return None
    newer = _born_in_last(0.5, counts, passed, total)
    ratio = (newer + 0.5) / (samples - newer + 0.5)
    if ratio < MIN_NEWER or (_born_in_last(0.25, counts, passed, total) + 0.5) / (samples * 0.25) < MIN_NEWEST:
        return None
    grown = sum(group.live_bytes[first:end])
    return Trend(window, starts[first], samples, lost, grown, grown / (starts[end] - starts[first]), ratio, group.in_span)


def _born_in_last(share: float, counts: Sequence[int], passed: Sequence[float], total: float) -> float:
    """Survivors of the last part of the traffic; an epoch that is cut counts by the part."""
    left, born = share * total, 0.0
    for count, traffic in zip(reversed(counts), reversed(passed), strict=True):
        if traffic >= left:
            return born + (count * left / traffic if traffic else 0.0)
        left -= traffic
        born += count
    return born
