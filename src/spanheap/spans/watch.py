"""Watching spans past their end: the tick's part, and what the session answers.

Policy is here: how long an ended span may live on, from which age one that has not ended is reported, how much is measured
at a time. The sample itself is the core's (native/include/spanheap/watch_list.h).
"""

from __future__ import annotations

import gc
from typing import Any

from spanheap import _core
from spanheap.spans import exporting, providers, retained

GRACE_S = 5.0
"""An ended span is finished with by then: BatchSpanProcessor's queue, which may hold it longer, is looked into."""
UNENDED_AGE_S = 60.0

# Measuring takes 4 us a span of five attributes; neither may hold the GIL for a millisecond. The others count as the mean.
_MEASURED_PER_TICK = 32
_MEASURED_WHEN_ASKED = 128


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not 0 <= value < 1e9:
        raise ValueError(f"{name} must be between 0 and 1,000,000,000 seconds, not {value!r}")
    return float(value)


def _exempt(grace: float) -> None:
    """Set apart what export queues hold; without a look at them when nothing would be reported anyway."""
    if _core.exempt_candidates(grace):
        _core.exempt_queued(*exporting.held(providers.known_processors()), grace)


def tick(now: float) -> None:
    """One step; `now` is the clock of all ages."""
    _core.watch_tick(now, gc.get_stats()[-1]["collections"])
    _exempt(GRACE_S)
    _core.measure_watched(GRACE_S, UNENDED_AGE_S, _MEASURED_PER_TICK, False)


def retained_spans(grace: Any) -> list[retained.RetainedSpans]:
    """See SpanStore.retained."""
    seconds = _seconds("grace", grace)
    with _core.Muted():
        _core.watch_sweep()
        _exempt(seconds)
        _core.measure_watched(seconds, float("inf"), _MEASURED_WHEN_ASKED, False)
        return retained.retained(_core.retained_spans(seconds))


def unended_spans(age: Any) -> list[retained.UnendedSpans]:
    """See SpanStore.unended."""
    seconds = _seconds("age", age)
    with _core.Muted():
        _core.watch_sweep()
        _core.measure_watched(float("inf"), seconds, _MEASURED_WHEN_ASKED, True)
        return retained.unended(_core.unended_spans(seconds))


def retained_at_last_tick() -> list[retained.RetainedSpans]:
    """The same with the default grace, without a further look: for gauges."""
    return retained.retained(_core.retained_spans(GRACE_S))


def unended_at_last_tick() -> list[retained.UnendedSpans]:
    """The same with the default age, without a further look: for gauges."""
    return retained.unended(_core.unended_spans(UNENDED_AGE_S))


def totals() -> retained.RetainedTotals:
    """As of the last tick."""
    kept, open_ = _core.watched_sums(GRACE_S, UNENDED_AGE_S)
    return retained.RetainedTotals(*kept, *open_)
