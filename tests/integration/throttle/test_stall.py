"""The whole: a service whose exporter stalls, beside itself without the throttle."""

from __future__ import annotations

import pytest

from benchmarks.throttle import MIB, Run, measure

pytestmark = [
    pytest.mark.long,
    pytest.mark.once(reason="a service over minutes"),
    pytest.mark.no_sanitizer(reason="resident memory is measured"),
]


def test_memory_stays_below_the_hard_limit(stall_seconds: float) -> None:
    """2,000 spans a second into a queue of 1,000,000: without the throttle the limit is passed."""
    limit = int(40 + 2 * stall_seconds)   # MiB; the service has 28 and grows by 5 a second
    without, throttled = measure([Run("large", kind, stall_seconds, limit) for kind in (False, True)])
    assert throttled.peak_rss < limit * MIB < without.peak_rss
    assert throttled.errors_exported == throttled.errors > 0
    assert throttled.counts["shed_fair_share"] + throttled.counts["shed_hard"] == throttled.spans - throttled.exported


def test_errors_are_exported(stall_seconds: float) -> None:
    """2,000 spans a second into the default queue: without the throttle most errors are lost."""
    without, throttled = measure([Run("default", kind, stall_seconds) for kind in (False, True)])
    assert throttled.errors_exported >= 0.999 * throttled.errors > 0
    assert without.errors_exported < 0.9 * without.errors
    assert throttled.counts["passed"] == throttled.exported
