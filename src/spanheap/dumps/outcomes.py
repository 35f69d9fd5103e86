"""What became of the dumps that were wanted: counts, and one word each in the log."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spanheap.detection.verdict import LeakVerdict

logger = logging.getLogger("spanheap")

REMEMBERED = 256   # triggers that were refused

# For the sender of a signal.
_WHY = {
    "cooldown": "it is within cooldown_s of the last one, or of one that failed or was refused",
    "budget": "as many as max_per_day were written",
    "disk_space": "the disk has less room than min_free_bytes",
    "busy": "another one is being written",
    "saved": "it would show what the last one shows",
}


class Outcomes:
    """One a session."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()   # (outcome, reason): written, refused, saved, failed
        self.errors = 0
        self.last_path: Path | None = None
        self.newest_path: Path | None = None
        """In the folder, as one was refused: it may be of another process."""
        self.say: Callable[[str, Path, LeakVerdict | None], None] = lambda reason, path, _verdict: logger.warning(
            "spanheap: dump written to %s (%s)", path, reason)
        """Told of each dump that is complete."""
        self._refused_for: set[tuple[str, object]] = set()

    def forget(self) -> None:
        """In the child of a fork: what was refused may be asked for anew."""
        self._refused_for.clear()

    def written(self, reason: str, path: Path, verdict: LeakVerdict | None = None) -> None:
        self.counts["written", reason] += 1
        self.last_path = path
        self.say(reason, path, verdict)

    def saved(self, reason: str) -> None:
        """It would have shown nothing new."""
        self.counts["saved", reason] += 1

    def refused(self, reason: str, why: str, key: object) -> None:
        """Counted once for each trigger, however often it asks."""
        mark = reason, key
        if key is not None:
            if mark in self._refused_for:
                return
            if len(self._refused_for) >= REMEMBERED:
                self._refused_for.clear()
            self._refused_for.add(mark)
        self.counts["refused", why] += 1

    def served(self, reason: str, key: object) -> None:
        """When this trigger is refused again, it counts."""
        self._refused_for.discard((reason, key))

    def failed(self, what: str, error: BaseException) -> None:
        self.errors += 1
        self.counts["failed", what] += 1
        if self.errors == 1 or what == "signal":   # whose sender waits for a word
            later = "" if what == "signal" else ", later failures are only counted"
            logger.warning("spanheap: automatic dump failed (%s): %s; profiling goes on%s", what, error, later)

    def answer(self, signal: str, why: str) -> None:
        """Other triggers ask again; who sent a signal waits for a word."""
        path = self.last_path or self.newest_path
        last = f"; the last one is {path}" if path is not None else ""
        logger.warning("spanheap: no dump on %s (%s): %s%s", signal, why, _WHY[why], last)

    def by_reason(self) -> dict[str, int]:
        """{"outcome.reason": how many}."""
        return {f"{outcome}.{reason}": count for (outcome, reason), count in sorted(self.counts.items())}

    def total(self, outcome: str) -> int:
        """How many were "written", "refused", "saved" or "failed"."""
        return sum(count for (what, _), count in list(self.counts.items()) if what == outcome)
