"""What the instruments of one session read from, made once for all of them.

A collection asks some forty instruments one after the other; several need the same pass over the samples or the same file
of /proc. What a collection reads is kept for FRESH_S, what is dear or needs a history is kept by the tick.
"""

from __future__ import annotations

import sys
import time
import weakref
from typing import TYPE_CHECKING

from spanheap import _core, memory_limit, process
from spanheap.telemetry.growth import EVERY_S, Growth

if TYPE_CHECKING:
    from spanheap.session import Session

FRESH_S = 0.5
LIMITS_EVERY_S = 60.0    # 0.4 ms to find them
BLOCKS_MS = 0.5          # counting pymalloc's blocks is a walk over its pools: if it takes longer than this,
BLOCKS_EVERY_S = 60.0    # it is done so often


class Reading:
    """Of one session. Nothing here raises into the tick; `sums`, `counters` and `by_root` are for a running session."""

    def __init__(self, session: Session, given_limit: int | None) -> None:
        """given_limit: instead of those that are found, in bytes of the resident set."""
        self._session = weakref.ref(session)   # which refers to this: no cycle is to be left for the collector
        self.memory_growth, self.heap_growth = Growth(), Growth()
        self._given_limit = given_limit
        self._limits: list[memory_limit.Limit] = []
        self._limit: memory_limit.Limit | None = None   # that memory_growth is of; None: the resident set
        self._next_limits = self._next_growth = float("-inf")
        self._sums_at = self._counters_at = self._memory_at = self._usage_at = self._blocks_until = float("-inf")
        self._sums = (0.0, 0.0, 0.0, 0.0, 0)
        self._counters: dict[str, int] = {}
        self._memory: process.ProcessMemory | None = None
        self._usage: memory_limit.Usage | None = None
        self._blocks = 0
        self._allocated = 0.0

    @property
    def session(self) -> Session:
        session = self._session()
        if session is None:
            raise ReferenceError("the session is gone")   # while it is current it cannot be
        return session

    # ------------------------------------------------------------ tick

    def tick(self, now: float) -> None:
        if now >= self._next_growth or now < self._next_growth - 2 * EVERY_S:   # or the clock was set back
            self._next_growth = now + EVERY_S
            if now >= self._next_limits or now < self._next_limits - 2 * LIMITS_EVERY_S:
                self._next_limits = now + LIMITS_EVERY_S
                self._limits = memory_limit.find(given=self._given_limit)
            self._observe(now)

    def _observe(self, now: float) -> None:
        usage, memory = memory_limit.tightest(self._limits), process.memory()
        limit = usage.limit if usage is not None else None
        if limit != self._limit:   # another limit counts something else
            self.memory_growth.clear()
            self._limit = limit
        if usage is not None:
            self.memory_growth.observe(now, usage.bytes)
        elif memory is not None:
            self.memory_growth.observe(now, memory.resident)
        self.heap_growth.observe(now, _core.sums()[0])   # not what a collection read: ticks may be in virtual time

    # ------------------------------------------------------------ collection

    def sums(self) -> tuple[float, float, float, float, int]:
        """Live bytes, live objects, allocated bytes, allocated objects, live samples."""
        now = time.monotonic()
        if now - self._sums_at > FRESH_S:
            self._sums, self._sums_at = _core.sums(), now
        return self._sums

    def allocated(self) -> float:
        """As a counter: it never falls, while doubling the interval re-estimates the past and may lower the sum."""
        self._allocated = max(self._allocated, self.sums()[2])
        return self._allocated

    def counters(self) -> dict[str, int]:
        """Of the core."""
        now = time.monotonic()
        if now - self._counters_at > FRESH_S:
            self._counters, self._counters_at = _core.counters(), now
        return self._counters

    def memory(self) -> process.ProcessMemory | None:
        now = time.monotonic()
        if now - self._memory_at > FRESH_S:
            self._memory, self._memory_at = process.memory(), now
        return self._memory

    def usage(self) -> memory_limit.Usage | None:
        """Of the limit that is nearest; None: there is none, or the first tick has not found it yet."""
        now = time.monotonic()
        if now - self._usage_at > FRESH_S:
            self._usage, self._usage_at = memory_limit.tightest(self._limits), now
        return self._usage

    def allocated_blocks(self) -> int:
        now = time.monotonic()
        if now >= self._blocks_until:
            self._blocks = sys.getallocatedblocks()
            took = time.monotonic() - now
            self._blocks_until = now + (FRESH_S if took * 1e3 < BLOCKS_MS else BLOCKS_EVERY_S)
        return self._blocks
