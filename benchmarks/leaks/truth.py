"""What a scenario really did with memory, from the curve of its live bytes under tracemalloc."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ONSET_SHARES = (0.02, 0.04)   # of all leaked bytes
MIN_SPANS_KEPT = 20       # alive at the end, to call spans the leak, and
MIN_SPANS_SHARE = 0.02    # so many of all requests

MIN_LEAK = 1 << 20        # what a scenario has to leak in all to be worth finding
PEAK_SLACK = 1.10         # how far the last third of a bounded one may peak above the time before
PEAK_SLACK_BYTES = 512 * 1024


@dataclass(frozen=True)
class Truth:
    """Times in virtual seconds. `floor` is what of the live bytes at that time was never freed until the end."""

    times: Sequence[float]
    live: Sequence[float]
    floor: Sequence[float] = field(init=False)
    onset_s: float = field(init=False)    # of the first leaked byte
    python_share: float = 1.0             # of the growth, from Python's own allocators
    retained: frozenset[str] = frozenset()   # names of spans that stay alive after their end
    unended: frozenset[str] = frozenset()    # and of those that are never ended

    def __post_init__(self) -> None:
        floor = list(self.live)
        for i in range(len(floor) - 2, -1, -1):
            floor[i] = min(floor[i], floor[i + 1])
        object.__setattr__(self, "floor", floor)
        # Back from where 2 % and 4 % of all were leaked, as on a line: below that, a leak cannot be told from warming up.
        early, late = (self._reached(share) for share in ONSET_SHARES)
        object.__setattr__(self, "onset_s", min(early, max(self.times[0], 2 * early - late)))

    def _reached(self, share: float) -> float:
        """When so much of all that is never freed was there."""
        wanted = self.floor[0] + share * (self.floor[-1] - self.floor[0])
        i = bisect.bisect_left(self.floor, wanted)
        if i == 0:
            return self.times[0]
        low, high = self.floor[i - 1], self.floor[i]
        return self.times[i - 1] + (wanted - low) / (high - low) * (self.times[i] - self.times[i - 1])

    @classmethod
    def of(cls, trace: Mapping[str, Any]) -> Truth:
        """From the result of a trace run."""
        times, live = zip(*trace["curve"], strict=True)
        growth = live[-1] - live[0]
        kept = max(MIN_SPANS_KEPT, MIN_SPANS_SHARE * trace["requests"])
        return cls(
            times, live, python_share=min(1.0, max(0.0, trace["python_growth"] / growth)) if growth > 0 else 1.0,
            retained=frozenset(name for name, count in trace["retained"].items() if count >= kept),
            unended=frozenset(name for name, count in trace["unended"].items() if count >= kept),
        )

    def leaked_at(self, t: float) -> float:
        """Bytes leaked by then, between two readings by interpolation."""
        return max(0.0, self._floor_at(t) - self._floor_at(self.onset_s))

    def _floor_at(self, t: float) -> float:
        i = bisect.bisect_right(self.times, t)
        if i == 0:
            return self.floor[0]
        if i == len(self.times):
            return self.floor[-1]
        t0, t1 = self.times[i - 1], self.times[i]
        part = (t - t0) / (t1 - t0) if t1 > t0 else 1.0
        return self.floor[i - 1] + part * (self.floor[i] - self.floor[i - 1])

    def contradiction(self, kind: str) -> str:
        """Why the scenario is not of this KIND; "" when it is.

        A leak (and a cache that is not yet full) gains in each third of its time after the onset, down to what is never
        freed; what is bounded peaks no higher in the last third than before it.
        """
        end = self.times[-1]
        if kind != "bounded":
            gain = self.leaked_at(end)
            if gain < MIN_LEAK:
                return f"keeps {gain / 2**20:.2f} MiB by its end: a leak keeps at least {MIN_LEAK / 2**20:.0f} MiB"
            third = (end - self.onset_s) / 3
            marks = [self._floor_at(self.onset_s + i * third) for i in range(4)]
            gains = [b - a for a, b in zip(marks, marks[1:], strict=False)]
            if min(gains) < 0.1 * gain:
                return "does not go on: its thirds gain " + ", ".join(f"{g / 2**20:.2f}" for g in gains) + " MiB"
            return ""
        readings = list(zip(self.times, self.live, strict=True))
        before = max(value for t, value in readings if t <= end * 2 / 3)
        last = max(value for t, value in readings if t > end * 2 / 3)
        if last - self.live[0] > (before - self.live[0]) * PEAK_SLACK + PEAK_SLACK_BYTES:
            return f"peaks at {last / 2**20:.2f} MiB in its last third, at {before / 2**20:.2f} MiB before it"
        return ""
