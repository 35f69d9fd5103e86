"""Spans: active, retained, never ended, and what became of their records."""

from __future__ import annotations

from collections.abc import Iterable

from spanheap.spans import watch
from spanheap.spans.retained import RetainedSpans, UnendedSpans
from spanheap.telemetry.instrument import OTHER, Instrument, Values, gauge, largest, one, up_down_counter
from spanheap.telemetry.reading import Reading

MAX_SPAN_NAMES = 20

STATE = "spanheap.span.state"
NAME = "spanheap.span.name"
STATES = ("retained", "overwritten", "expired", "dropped", "in_flight")   # together: all that ended


def _records(reading: Reading) -> Values:
    counts = reading.session.spans.counts()
    return [(getattr(counts, state), {STATE: state}) for state in STATES]


def _by_name(rows: Iterable[RetainedSpans | UnendedSpans]) -> Values:
    """Spans by name, the most first."""
    spans: dict[str, float] = {}
    for row in rows:
        spans[row.name] = spans.get(row.name, 0.0) + row.spans
    return [(round(number), {NAME: name}) for name, number in largest(spans, MAX_SPAN_NAMES)]


INSTRUMENTS: tuple[Instrument, ...] = (
    gauge("spanheap.span.active", "{span}", "Started and not ended.",
          lambda reading: one(reading.counters()["spans_active"])),
    up_down_counter("spanheap.span.records", "{span}",
                    "Spans that ended since the session started, by what became of their records.", _records, STATE),
    gauge("spanheap.span.retained", "{span}",
          "Ended, but referred to by something other than an export queue, estimated.",
          lambda _: one(round(watch.totals().retained_spans))),
    gauge("spanheap.span.retained_memory", "By", "What would be freed with the retained spans, estimated.",
          lambda _: one(round(watch.totals().retained_bytes))),
    gauge("spanheap.span.retained_by_name", "{span}",
          f"Retained spans by name, the {MAX_SPAN_NAMES - 1} most frequent and {OTHER}.",
          lambda _: _by_name(watch.retained_at_last_tick()), NAME),
    gauge("spanheap.span.unended", "{span}", "Started a minute ago and not ended, estimated.",
          lambda _: one(round(watch.totals().unended_spans))),
    gauge("spanheap.span.unended_memory", "By", "What would be freed with the unended spans, estimated.",
          lambda _: one(round(watch.totals().unended_bytes))),
    gauge("spanheap.span.unended_by_name", "{span}",
          f"Unended spans by name, the {MAX_SPAN_NAMES - 1} most frequent and {OTHER}.",
          lambda _: _by_name(watch.unended_at_last_tick()), NAME),
)
