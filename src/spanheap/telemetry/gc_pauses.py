"""How long each collection of garbage took: noted by gc's callbacks, recorded by the tick.

The collector calls back from within any allocation, with whatever locks the thread holds at that moment. Hence the callback
only reads a clock and appends to a deque; OpenTelemetry, which takes locks, is called by the tick. Between
two ticks there is room for ROOM pauses of each generation; the rest is counted.
"""

from __future__ import annotations

import contextlib
import gc
from collections import deque
from time import perf_counter
from typing import Any

GENERATION = "cpython.gc.generation"
GENERATIONS = 3
ROOM = 64   # of each generation: recording takes about 4 us each
# Young collections take tens of microseconds; a full one on a large heap takes seconds.
BOUNDARIES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


class GcPauses:
    """One a session. `lost`: pauses that were not recorded, for want of room."""

    def __init__(self) -> None:
        self.lost = 0
        self._started = -1.0
        self._noted: list[deque[float]] = [deque() for _ in range(GENERATIONS)]
        self._attributes = [{GENERATION: generation} for generation in range(GENERATIONS)]

    def start(self) -> None:
        gc.callbacks.append(self._note)

    def stop(self) -> None:
        with contextlib.suppress(ValueError):   # somebody emptied the list
            gc.callbacks.remove(self._note)

    def forget(self) -> None:
        """In the child of a fork: what was noted before is the parent's."""
        for noted in self._noted:
            noted.clear()

    def _note(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._started = perf_counter()
            return
        now, started, self._started = perf_counter(), self._started, -1.0
        generation = info["generation"]
        if started < 0.0 or generation >= GENERATIONS:   # it had begun before us
            return
        noted = self._noted[generation]
        if len(noted) < ROOM:
            noted.append(now - started)
        else:
            self.lost += 1

    def record(self, histogram: Any) -> None:
        """Hand on what was noted since the last time. Recording may set off collections: theirs are for the next time."""
        for noted, attributes in zip(self._noted, self._attributes, strict=True):
            for _ in range(len(noted)):
                histogram.record(noted.popleft(), attributes)
