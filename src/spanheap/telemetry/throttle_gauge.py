"""What a MemoryThrottledSpanProcessor sheds, as metrics; with or without a session.

Instruments cannot be taken back, so they are made once a provider, for all processors that report there.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from spanheap.telemetry.instrument import SCHEMA_URL, Instrument
from spanheap.version import __version__

if TYPE_CHECKING:
    from spanheap.throttle.counts import Tallies
    from spanheap.throttle.processor import MemoryThrottledSpanProcessor

REASON = "spanheap.throttle.reason"

SHED = Instrument(
    "spanheap.throttle.shed", "observable counter", "{span}", "Ended spans that were not passed on.", None, (REASON,))
LEVEL = Instrument(
    "spanheap.throttle.level", "observable gauge", "{level}", "0: all pass, 1: above soft, 2: above hard.", None)
WAITING = Instrument("spanheap.throttle.waiting", "observable gauge", "{span}", "Errors that wait for a place.", None)
INSTRUMENTS = (SHED, LEVEL, WAITING)


class _Reported:
    """The processors of a provider. Those that are gone stay in the sums: a counter does not fall."""

    def __init__(self) -> None:
        self._living: list[tuple[weakref.ref[MemoryThrottledSpanProcessor], Tallies]] = []
        self._gone = {"fair_share": 0, "hard": 0, "error": 0}

    def add(self, processor: MemoryThrottledSpanProcessor, tallies: Tallies) -> None:
        self._living.append((weakref.ref(processor), tallies))

    def shed(self) -> dict[str, int]:
        sums, living = dict(self._gone), []
        for processor, tallies in self._living[:]:
            for reason in sums:
                sums[reason] += getattr(tallies, f"shed_{reason}").value()
            if processor() is None:
                for reason in sums:
                    self._gone[reason] += getattr(tallies, f"shed_{reason}").value()
            else:
                living.append((processor, tallies))
        self._living = living
        return sums

    def processors(self) -> list[MemoryThrottledSpanProcessor]:
        return [living for processor, _ in self._living if (living := processor()) is not None]


_reported: weakref.WeakKeyDictionary[Any, _Reported] = weakref.WeakKeyDictionary()


def export(processor: MemoryThrottledSpanProcessor, tallies: Tallies, provider: Any | None) -> None:
    """Report this one at this meter provider, or the global one."""
    from opentelemetry import metrics

    if provider is None:
        provider = metrics.get_meter_provider()
    if provider in _reported:
        _reported[provider].add(processor, tallies)
        return
    reported = _reported[provider] = _Reported()
    reported.add(processor, tallies)

    def shed(_options: Any) -> list[metrics.Observation]:
        return [metrics.Observation(count, {REASON: reason}) for reason, count in reported.shed().items()]

    def level(_options: Any) -> list[metrics.Observation]:
        levels = [int(processor.pressure()) for processor in reported.processors()]
        return [metrics.Observation(max(levels))] if levels else []

    def waiting(_options: Any) -> list[metrics.Observation]:
        return [metrics.Observation(sum(processor.counts().waiting for processor in reported.processors()))]

    meter = provider.get_meter("spanheap", __version__, schema_url=SCHEMA_URL)
    meter.create_observable_counter(SHED.name, [shed], SHED.unit, SHED.description)
    meter.create_observable_gauge(LEVEL.name, [level], LEVEL.unit, LEVEL.description)
    meter.create_observable_gauge(WAITING.name, [waiting], WAITING.unit, WAITING.description)
