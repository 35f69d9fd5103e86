"""How long the service may be held up by what the detector does on its own: walks over the heap, and forced collections.

A bucket of `budget_ms` that fills within PERIOD_S. What is predicted to fit into what is left may run. What is predicted
to be longer than the whole budget may run when the bucket is full, for something that has not had such a pause before
(`first`), and then nothing runs until the bucket has filled again.
"""

from __future__ import annotations

PERIOD_S = 600.0


class PauseBudget:
    """Pure: times are given, in seconds; pauses in milliseconds."""

    def __init__(self, budget_ms: float) -> None:
        self.budget_ms = budget_ms
        self.spent_ms = 0.0      # in all
        self.pauses = 0
        self.refused = 0
        self._left_ms = budget_ms
        self._at: float | None = None

    def allows(self, predicted_ms: float, now: float, *, first: bool) -> bool:
        self._fill(now)
        fits = predicted_ms <= self._left_ms or (first and predicted_ms > self.budget_ms and self._left_ms >= self.budget_ms)
        fits = fits and self.budget_ms > 0
        self.refused += not fits
        return fits

    def spend(self, ms: float, now: float) -> None:
        self._fill(now)
        self._left_ms -= ms
        self.spent_ms += ms
        self.pauses += 1

    def _fill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            self._left_ms = min(self.budget_ms, self._left_ms + self.budget_ms * (now - self._at) / PERIOD_S)
        self._at = now if self._at is None else max(now, self._at)
