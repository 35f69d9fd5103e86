"""The detector's time."""

from __future__ import annotations


class Clock:
    """Seconds since the first tick, plus one; never back, however the times that ticks give jump."""

    def __init__(self) -> None:
        self._base: float | None = None
        self.now = 0.0

    def advance(self, now: float) -> float:
        if self._base is None:
            self._base = now - 1.0
        elif now - self._base < self.now:   # the system's clock was set back
            self._base = now - self.now
        self.now = now - self._base
        return self.now

    def absolute(self, seconds: float) -> float:
        """The time that ticks gave at that moment."""
        return seconds + (self._base or 0.0)
