"""An audit: looks at the containers of a process while it works, and what they say in the end."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

from spanheap import _core
from spanheap.audit import growth
from spanheap.audit.finding import Finding, finding
from spanheap.audit.growth import Growth, Reading
from spanheap.audit.sizes import Contents, Sight, Sizes
from spanheap.spans import providers

logger = logging.getLogger("spanheap")

_FIRST_WAIT_S = 0.2       # a test run may be over after a second
_WAIT_FACTOR = 1.3        # from one look to the next, up to the interval
_SHARE_OF_TIME = 0.1      # that looks may take, of one processor
_FIRST_SHARE = 0.25       # the first ones, without which nothing can be told
_FIRST_LOOKS = growth.MIN_READINGS + 3
_MAX_LOOKS = 32           # kept; when there are more, every second one of them is dropped


class _Look(NamedTuple):
    time: float
    spans: int
    entries: dict[str, int]
    several: dict[str, int]
    complete: bool            # what is not in `entries` had fewer than sizes.MIN_ENTRIES, or none


class Audit:
    """What `Session.audit()` returns; a context manager.

    In a `with` block a thread looks every `interval` seconds, more often in the beginning, and a last time at the end.
    With interval=None it does not, and the caller calls `look()`, say after each thousand requests.
    """

    def __init__(self, spans: Callable[[], int], *, interval: float | None, budget_ms: float, min_growth: int) -> None:
        """`spans` says how many have ended."""
        _check(interval, budget_ms, min_growth)
        self._spans = spans
        self._interval = interval
        self._budget_s = budget_ms / 1e3
        self._min_growth = min_growth
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._sizes = Sizes()
        self._looks: list[_Look] = []
        self._found: dict[str, tuple[Growth, Contents]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._began: float | None = None
        self.looks = 0
        """Taken so far."""
        self.longest_pause_s = 0.0
        """For which a look held the GIL, naming apart."""
        self.seconds = 0.0
        """From the first look to the last."""
        self.spans = 0
        """That ended between these."""
        self.errors = 0
        """Looks of the thread that failed; the first one is logged."""

    # ------------------------------------------------------------ life

    def __enter__(self) -> Audit:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Take the first look, and begin to look at intervals."""
        self.look()
        if self._interval is not None and self._thread is None:
            self._stop.clear()
            thread = threading.Thread(target=self._run, name="spanheap-audit", daemon=True)
            try:
                thread.start()
                self._thread = thread
            except RuntimeError as error:   # no more threads: the first look and the last are not enough, and it says so
                logger.warning("spanheap: no thread for the audit (%s); call look()", error)

    def stop(self) -> None:
        """Take the last look: what is gone since the one before, because the service ended, is not taken for evicted."""
        if self._is_of_parent():
            return
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        try:
            self._look(last=True)
        except Exception:
            logger.exception("spanheap: the last look of the audit failed; the findings are those of the one before")

    def _is_of_parent(self) -> bool:
        """In the child of a fork the thread is not there, and may have held the lock: an audit is of one process."""
        return os.getpid() != self._pid

    def _run(self) -> None:
        assert self._interval is not None
        wait = min(_FIRST_WAIT_S, self._interval)
        while not self._stop.wait(wait):
            began = time.thread_time()
            try:
                self._look(last=False)
            except Exception:
                self.errors += 1
                if self.errors == 1:
                    logger.exception("spanheap: a look of the audit failed; the next one may not")
            cost = time.thread_time() - began
            share = _SHARE_OF_TIME if self.looks >= _FIRST_LOOKS else _FIRST_SHARE
            wait = max(min(wait * _WAIT_FACTOR, self._interval), cost / share)

    # ------------------------------------------------------------ looks

    def look(self) -> None:
        """See the containers as they are now. Holds the GIL for `budget_ms` at most."""
        if not self._is_of_parent():
            self._look(last=False)

    def _look(self, last: bool) -> None:
        with self._lock, _core.Muted():
            providers.attach_to_all()
            spans, now = self._spans(), time.monotonic()
            sight = self._sizes.look(self._budget_s)
            self._began = now if self._began is None else self._began
            self.looks += 1
            self.longest_pause_s = max(self.longest_pause_s, sight.pause_s)
            self.seconds = now - self._began
            self._looks.append(_Look(now, spans, sight.entries, sight.several, sight.complete))
            self.spans = spans - self._looks[0].spans
            self._judge(sight, last)
            if len(self._looks) > _MAX_LOOKS:
                del self._looks[1:-1:2]   # the first and the last remain

    def _judge(self, sight: Sight, last: bool) -> None:
        """What is found is looked into at once: the containers are at hand now alone."""
        grown: dict[str, Growth] = {}
        for name, entries in sight.entries.items():
            gained = entries - self._looks[0].entries.get(name, 0)
            growing = growth.growth(self._readings(name), self._min_growth) if gained >= self._min_growth else None
            if growing is not None:
                grown[name] = growing
            elif name in self._found and not (last and entries < self._found[name][1].entries):
                del self._found[name]
        sight.keep(grown)
        self._found |= {name: (growing, sight.contents(name)) for name, growing in grown.items()}
        for name in [] if last else [name for name in self._found if name not in sight.entries]:
            if growth.growth(self._readings(name), self._min_growth) is None:
                del self._found[name]   # it was emptied while the service ran

    def _readings(self, name: str) -> list[Reading]:
        return [
            Reading(look.time, look.spans, look.entries.get(name, 0), look.several.get(name, int(name in look.entries)))
            for look in self._looks if look.complete or name in look.entries
        ]

    # ------------------------------------------------------------ results

    def is_conclusive(self) -> bool:
        """Whether there were looks enough, with work between them, to tell what grows."""
        if self._is_of_parent():
            return False
        with self._lock:
            return growth.steps_of_work([Reading(k.time, k.spans, 0) for k in self._looks]) >= growth.MIN_READINGS

    def findings(self) -> list[Finding]:
        """As of the last look: caches of spans first, then most bytes first. In the child of a fork: none."""
        if self._is_of_parent():
            return []
        with self._lock:
            found = [finding(name, grown, contents) for name, (grown, contents) in self._found.items()]
        return sorted(found, key=lambda f: (f.kind != "keeps_spans", -f.bytes, f.holder))


def _check(interval: float | None, budget_ms: float, min_growth: int) -> None:
    def number(name: str, value: object, low: float, high: float, what: str, otherwise: str = "") -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{name} must be {what}{otherwise}, not {value!r}")
        if not low <= value <= high:
            raise ValueError(f"{name} = {value!r}: must be {what} from {low:,} to {high:,}{otherwise}")

    if interval is not None:
        number("interval", interval, 0.05, 3600, "seconds", " or None")
    number("budget_ms", budget_ms, 1, 60_000, "milliseconds")
    number("min_growth", min_growth, 1, 1_000_000_000, "a number of entries")


__all__ = ["Audit", "Finding"]
