"""`spanheap.MemoryThrottledSpanProcessor`.

Rules of this file. `on_end` (`_core.SpanGate`, and `_passes` from there) runs on the service's threads, which may be
interrupted anywhere in it by a signal handler or a deallocator that ends a span itself: it waits for nothing, takes no
lock, reads no file, and counts only by steps that are atomic under the GIL. The memory is read, windows are turned,
waiting errors are passed on and flushes are asked for by the thread of the ticker; a flush has a thread of its own, since
it may not come back for as long as the exporter stalls.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
import weakref
from collections import deque
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode

from spanheap import _core
from spanheap.spans import sdk
from spanheap.telemetry import throttle_gauge
from spanheap.throttle.counts import Tallies, ThrottleCounts
from spanheap.throttle.fair_share import FairShare
from spanheap.throttle.flusher import Flusher
from spanheap.throttle.pressure import Level, MemoryPressure, Pressure
from spanheap.throttle.thresholds import HARD, SOFT, thresholds
from spanheap.throttle.waiting_room import WaitingRoom
from spanheap.ticker import Ticker

logger = logging.getLogger("spanheap")

_SPAN_BYTES = 4096     # of a span in a queue, with some attributes: what room in memory is divided by
# A window lets in at most this part of what is left until hard: it is approached, not reached.
_MEMORY_PART = 8
_QUEUE_PART = 2
_ERRORS_ABOVE_HARD = 4096   # errors let into a queue that does not drain while memory is above hard: about 16 MiB
_DRAIN_S = 5.0         # how long a shutdown waits for places for the errors that still wait
_POLL_S = 0.01
_MUST_START = -1       # in place of a level: the thread is to be started first

_alive: weakref.WeakSet[MemoryThrottledSpanProcessor] = weakref.WeakSet()
_said_no_limit = False


class MemoryThrottledSpanProcessor(_core.SpanGate, SpanProcessor):
    """Sheds spans before they fill the memory, or the queue of the processor that it wraps:

        provider.add_span_processor(spanheap.MemoryThrottledSpanProcessor(BatchSpanProcessor(exporter)))

    Below `soft_limit` every span passes. Between soft and hard, errors and local roots do, and of the rest a fair share
    of each name. Above `hard_limit` only errors do, and the wrapped processor is asked to flush. Full to the same parts,
    the queue of a BatchSpanProcessor counts as memory does, and errors that do not fit wait in a place of their own.

    The limits are parts of the process's memory limit (0 < x <= 1; by default 0.75 and 0.9 of the tightest of its
    cgroups and RLIMIT_AS) or bytes of resident memory. Where there is no limit and none is given, the queue alone counts.
    `check_interval`: seconds between two looks at the memory, on a thread of its own. `error_buffer`: bytes for errors
    that wait. `meter_provider`: where `spanheap.throttle.*` is reported, by default the global one.

    Raises TypeError or ValueError for values that are not as said. docs/throttling.md has the whole.
    """

    def __init__(
        self, processor: SpanProcessor, *, soft_limit: float | None = None, hard_limit: float | None = None,
        check_interval: float = 1.0, error_buffer: int = 16 << 20, meter_provider: Any = None,
    ) -> None:
        _check(processor, check_interval, error_buffer)
        self._processor = processor
        self._wrapped_on_ending = getattr(processor, "_on_ending", None)   # called since 1.40
        self._memory = MemoryPressure(thresholds(soft_limit, hard_limit))
        queue = sdk.batch_queue(processor)
        self._is_batch = queue is not None
        self._queue: deque[Any] | tuple[()] = queue.spans if queue else ()   # its length is all that is looked at
        self._soft_length, self._hard_length, self._full_length = _lengths(queue)
        self._drained_length = queue.batch if queue else 0
        self._bind(processor.on_start, processor.on_end, self._queue, self._soft_length)
        self._fair_share = FairShare()
        self._waiting = WaitingRoom(error_buffer)
        self._error_buffer = error_buffer
        self._errors_above_hard = itertools.count()   # its __next__ is atomic
        self._tallies = Tallies()
        self._flusher = Flusher(processor.force_flush)
        self._ticker = Ticker(check_interval, name="spanheap-throttle", what="throttling")
        self._to_start = [True]   # whoever pops it starts the ticker
        self._shut_down = False
        self._look()
        self._say_if_unlimited()
        self._start()
        _alive.add(self)
        throttle_gauge.export(self, self._tallies, meter_provider)

    # ---------------------------------------------------------------- SpanProcessor

    def _on_ending(self, span: Span) -> None:
        if self._wrapped_on_ending is not None:
            self._wrapped_on_ending(span)

    def force_flush(self, timeout_millis: int | None = 30000) -> bool:
        """See `SpanProcessor.force_flush`; errors that wait are flushed as well."""
        timeout_s = 30.0 if timeout_millis is None else timeout_millis / 1000
        deadline = time.monotonic() + timeout_s
        while True:
            self._pass_on_waiting()
            left = deadline - time.monotonic()
            flushed = self._processor.force_flush(max(0, int(left * 1000)))
            if not self._waiting or flushed is False or left <= 0 or self._queue_length() >= self._soft_length:
                return flushed is not False and not self._waiting

    def shutdown(self) -> None:
        """Stop, pass on the errors that wait, for at most 5 s, and shut down the wrapped processor."""
        if not self._shut_down:
            self._shut_down = True
            self._ticker.stop()
            self._to_start.clear()
            self.level = Level.OPEN
            self._pass_on_waiting()
            deadline = time.monotonic() + _DRAIN_S
            while self._waiting and time.monotonic() < deadline:
                if self._flusher.ask():
                    self._tallies.flushes.add()
                time.sleep(_POLL_S)
                self._pass_on_waiting()
            while self._waiting.take() is not None:
                self._tallies.shed_error.add()
        self._processor.shutdown()

    # ---------------------------------------------------------------- for whoever watches

    def counts(self) -> ThrottleCounts:
        """What became of the spans that ended so far."""
        t = self._tallies
        return ThrottleCounts(
            passed=self.passed, delayed=t.delayed.value(), shed_fair_share=t.shed_fair_share.value(),
            shed_hard=t.shed_hard.value(), shed_error=t.shed_error.value(), waiting=len(self._waiting),
            flushes=t.flushes.value(), failures=t.failures.value(),
        )

    def pressure(self) -> Level:
        """Of the memory or of the queue, whichever is the higher."""
        length = self._queue_length()
        by_queue = Level.HARD if length >= self._hard_length else Level.SOFT if length >= self._soft_length else Level.OPEN
        return max(Level(max(self.level, 0)), by_queue)

    # ---------------------------------------------------------------- on the service's threads

    def _passes(self, span: ReadableSpan) -> bool:
        """Asked by the gate, when memory or the queue is above soft."""
        try:
            return self._judge(span)
        except Exception:
            self._tallies.failures.add()
            return True

    def _judge(self, span: ReadableSpan) -> bool:
        if self.level == _MUST_START:
            self.level = Level.OPEN   # until the first look, which is not for this thread
            self._start()
        if self._shut_down:
            return True   # the wrapped processor says what it thinks of it
        length = len(self._queue)
        if self._is_batch and (span.context is None or not span.context.trace_flags.sampled):
            return True   # recorded only: a BatchSpanProcessor leaves it
        level = self.level
        if span.status.status_code is StatusCode.ERROR:
            return self._error_passes(span, level, length)
        if level == Level.HARD or length >= self._hard_length:
            self._tallies.shed_hard.add()
            return False
        if level == Level.OPEN and length < self._soft_length:
            return True
        if span.parent is None or span.parent.is_remote or self._fair_share.admits(span.name):
            return True
        self._tallies.shed_fair_share.add()
        return False

    def _error_passes(self, span: ReadableSpan, level: int, length: int) -> bool:
        # Without a queue nothing is known to be kept. With one a flood of errors must not carry the memory away.
        if level == Level.HARD and self._is_batch and next(self._errors_above_hard) >= _ERRORS_ABOVE_HARD:
            self._tallies.shed_error.add()
            return False
        if length < self._full_length:
            return True
        if not self._waiting.offer(span):
            self._tallies.shed_error.add()
        return False

    def _queue_length(self) -> int:
        return len(self._queue)

    # ---------------------------------------------------------------- on the ticker's thread

    def _tick(self) -> None:
        self._look()
        self._pass_on_waiting()
        if self.pressure() == Level.HARD and (self._queue or not self._is_batch) and self._flusher.ask():
            self._tallies.flushes.add()

    def _look(self) -> None:
        pressure = self._memory.look(time.monotonic())
        if pressure.level != Level.HARD or self._queue_length() < self._drained_length:
            self._errors_above_hard = itertools.count()
        self._fair_share.begin(self._budget(pressure))
        if not self._shut_down:
            self.level = pressure.level

    def _budget(self, pressure: Pressure) -> int:
        """How many spans of the rest the next window may let in."""
        budgets = []
        if pressure.room is not None:
            budgets.append(pressure.room // _SPAN_BYTES // _MEMORY_PART)
        if self._is_batch:
            budgets.append(max(0, self._hard_length - max(self._queue_length(), self._soft_length)) // _QUEUE_PART)
        return min(budgets, default=0)

    def _pass_on_waiting(self) -> None:
        """As long as there is room below soft, so that what ends now has room, too."""
        while self._queue_length() < self._soft_length and (span := self._waiting.take()) is not None:
            self._tallies.delayed.add()
            self._pass_on(span)

    # ---------------------------------------------------------------- in and out

    def _start(self) -> None:
        try:
            self._to_start.pop()
        except IndexError:   # another thread does
            return
        myself = weakref.ref(self)

        def tick(_now: float) -> bool:
            processor = myself()   # the thread ends with the last reference of others
            if processor is None:
                return False
            processor._tick()
            return True

        try:
            self._ticker.start(tick)
        except RuntimeError as error:
            logger.warning("spanheap: the memory is not watched, and spans are not throttled by it (%s)", error)

    def _after_fork_in_child(self) -> None:
        """The threads are gone. What waits is the parent's, as what is in the queue is, which the SDK clears."""
        self._ticker.forget()
        self._flusher.forget()
        self._waiting = WaitingRoom(self._error_buffer)
        if not self._shut_down:
            self._to_start = [True]
            self.level = _MUST_START   # not here: most children only run a command

    def _say_if_unlimited(self) -> None:
        global _said_no_limit
        if self._memory.limits or _said_no_limit:
            return
        _said_no_limit = True
        logger.warning(
            "spanheap: this process has no memory limit, so MemoryThrottledSpanProcessor %s; give it soft_limit and "
            "hard_limit in bytes to throttle by memory",
            "watches the queue of the wrapped processor only" if self._is_batch else "passes every span on",
        )


def _check(processor: Any, check_interval: Any, error_buffer: Any) -> None:
    for name in ("on_start", "on_end", "shutdown", "force_flush"):
        if not callable(getattr(processor, name, None)):
            raise TypeError(f"processor must be a SpanProcessor, which has {name}(), not {processor!r}")
    if isinstance(check_interval, bool) or not isinstance(check_interval, (int, float)):
        raise TypeError(f"check_interval must be a number of seconds, not {check_interval!r}")
    if not 0.01 <= check_interval <= 3600:
        raise ValueError(f"check_interval must be between 0.01 and 3,600 seconds, not {check_interval!r}")
    if isinstance(error_buffer, bool) or not isinstance(error_buffer, int):
        raise TypeError(f"error_buffer must be a whole number of bytes, not {error_buffer!r}")
    if not 0 <= error_buffer <= 1 << 30:
        raise ValueError(f"error_buffer must be between 0 and {1 << 30:,} bytes, not {error_buffer!r}")


def _lengths(queue: sdk.BatchQueue | None) -> tuple[int, int, int]:
    """Of the queue: at which it counts as soft, as hard, and as full for errors. Without one: never.

    Not soft before a batch is full: only then is the exporting thread woken, and shedding before it would lose spans that
    a healthy exporter takes. Full is a little before the end, for threads that find the last place in the same moment.
    """
    if queue is None:
        return 1, 1, 1   # of an empty tuple: never reached
    capacity = queue.capacity
    full = max(1, capacity - min(16, capacity // 16))
    soft = min(max(int(capacity * SOFT), queue.batch), full)
    return soft, min(max(int(capacity * HARD), soft), full), full


def _after_fork_in_child() -> None:
    for processor in list(_alive):
        processor._after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
