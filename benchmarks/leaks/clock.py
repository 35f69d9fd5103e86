"""Virtual time for asyncio: a loop that never waits, but moves its clock to the next timer instead."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Answers at once. What the loop would have waited becomes the loop's own time."""

    clock: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # None: only another thread can bring the next event, in real time.
        events = super().select(0 if timeout is not None else 0.05)
        if not events and timeout is not None and timeout > 0:
            self.clock.advance(timeout)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """`asyncio.sleep(30)` takes 30 virtual seconds and no real ones.

    The clock moves only when nothing is ready to run, and never past the moment that run_until_time() was given: that
    moment is itself a timer.
    """

    def __init__(self) -> None:
        self._now = 0.0
        selector = _Selector()
        super().__init__(selector)
        selector.clock = self
        # Timers within this of each other are due together; it also keeps rounding from leaving a timer due in 1e-18 s.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def run_until_time(self, moment: float) -> None:
        """Run everything that is due until this moment; what still waits goes on at the next call."""
        if moment > self._now:
            self.call_at(moment, self.stop)
            self.run_forever()
            self._now = max(self._now, moment)


def cancel_all(loop: asyncio.AbstractEventLoop, budget: int = 100) -> None:
    """End what still waits, so that closing the loop warns of nothing. A task that refuses is left alone."""
    for _ in range(budget):
        tasks = asyncio.all_tasks(loop)
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        gathered: Any = asyncio.wait(tasks, timeout=1.0)
        loop.run_until_complete(gathered)
