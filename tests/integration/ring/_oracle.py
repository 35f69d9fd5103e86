"""What a SpanRing of one stripe should do, in plain Python."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Oracle:
    """Records in the order of their appends, each with its time in ms and whether it was counted as expired."""

    capacity: int
    ttl_ms: int | None
    drop: bool
    rows: deque[list[Any]] = field(default_factory=deque)
    produced: int = 0
    overwritten: int = 0
    expired: int = 0
    dropped: int = 0

    def _gone(self, row: list[Any], now: int) -> bool:
        return row[2] or (self.ttl_ms is not None and now - row[1] >= self.ttl_ms)

    def append(self, record: tuple[Any, ...], now: int) -> bool:
        """Displace the oldest when full, or refuse while that lives."""
        self.produced += 1
        if len(self.rows) == self.capacity:
            oldest = self.rows[0]
            if not self._gone(oldest, now):
                if self.drop:
                    self.dropped += 1
                    return False
                self.overwritten += 1
            elif not oldest[2]:
                self.expired += 1
            self.rows.popleft()
        self.rows.append([record, now, False])
        return True

    def look(self, now: int) -> list[tuple[Any, ...]]:
        """Return what lives; the rest is counted, once."""
        for row in self.rows:
            if not row[2] and self._gone(row, now):
                row[2] = True
                self.expired += 1
        return [row[0] for row in self.rows if not row[2]]

    def counts(self, now: int) -> tuple[int, ...]:
        """Return the counts of a ring at rest."""
        return self.produced, len(self.look(now)), self.overwritten, self.expired, self.dropped, 0
