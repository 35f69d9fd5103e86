"""All instruments of a session, in the order of docs/metrics.md; dashboard and alert rules are made from this list.

Not here: those that exist with or without a session, `spanheap.throttle.*` (throttle_gauge) and what
`SpanRing.export_gauge` makes (ring_gauge).
"""

from __future__ import annotations

from spanheap.telemetry import heap_gauges, memory_gauges, profiler_gauges, runtime_gauges, span_gauges
from spanheap.telemetry.instrument import Instrument

INSTRUMENTS: tuple[Instrument, ...] = (
    *memory_gauges.INSTRUMENTS, *heap_gauges.INSTRUMENTS, *span_gauges.INSTRUMENTS, *runtime_gauges.INSTRUMENTS,
    *profiler_gauges.INSTRUMENTS,
)
