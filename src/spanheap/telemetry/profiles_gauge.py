"""What became of exported profiles, as metrics: once a meter provider, for all exporters that report there."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from spanheap.telemetry.instrument import SCHEMA_URL, Instrument
from spanheap.version import __version__

if TYPE_CHECKING:
    from spanheap.otlp.exporter import ProfilesExporter

OUTCOME = "spanheap.profile.outcome"
EXPORTS = Instrument("spanheap.profile.exports", "observable counter", "{export}",
                     "Heap profiles sent over OTLP, by what became of them.", None, (OUTCOME,))
SENT = Instrument("spanheap.profile.sent", "observable counter", "By", "Size of the requests, as they were sent.", None)
INSTRUMENTS = (EXPORTS, SENT)
_OUTCOMES = ("exported", "refused", "unavailable", "unreachable", "timed_out", "too_large", "failed")

# Exporters are few, one a session: they are kept, so that counters do not fall when one goes.
_reported: weakref.WeakKeyDictionary[Any, list[dict[str, int]]] = weakref.WeakKeyDictionary()


def export(exporter: ProfilesExporter, provider: Any | None) -> None:
    """Report the counts of this one at this meter provider, or the global one."""
    from opentelemetry import metrics

    if provider is None:
        provider = metrics.get_meter_provider()
    if provider in _reported:
        _reported[provider].append(exporter._counts)
        return
    counts = _reported[provider] = [exporter._counts]   # numbers alone, not the exporter

    def outcomes(_options: Any) -> list[metrics.Observation]:
        return [metrics.Observation(sum(c[outcome] for c in counts), {OUTCOME: outcome}) for outcome in _OUTCOMES]

    def sent(_options: Any) -> list[metrics.Observation]:
        return [metrics.Observation(sum(c["bytes"] for c in counts))]

    meter = provider.get_meter("spanheap", __version__, schema_url=SCHEMA_URL)
    meter.create_observable_counter(EXPORTS.name, [outcomes], EXPORTS.unit, EXPORTS.description)
    meter.create_observable_counter(SENT.name, [sent], SENT.unit, SENT.description)
