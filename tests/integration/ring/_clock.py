"""A clock that stands until it is told to go on."""

from __future__ import annotations

MS = 1_000_000


class Clock:
    """Calling it gives nanoseconds."""

    def __init__(self, ms: int = 0) -> None:
        """Begin at this time."""
        self.ms = ms

    def __call__(self) -> int:
        """Return the time."""
        return self.ms * MS
