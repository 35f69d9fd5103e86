"""All instruments, in the order of docs/metrics.md; dashboard and alert rules are made from this list.

Not here: what `SpanRing.export_gauge` makes (ring_gauge), whose name the application chooses.
"""

from __future__ import annotations

from spanheap.telemetry import (
    heap_gauges,
    memory_gauges,
    profiler_gauges,
    profiles_gauge,
    runtime_gauges,
    span_gauges,
    throttle_gauge,
)
from spanheap.telemetry.instrument import Instrument

INSTRUMENTS: tuple[Instrument, ...] = (
    *memory_gauges.INSTRUMENTS, *heap_gauges.INSTRUMENTS, *span_gauges.INSTRUMENTS, *runtime_gauges.INSTRUMENTS,
    *profiler_gauges.INSTRUMENTS,
)
"""Those of a session."""
ALL: tuple[Instrument, ...] = (*INSTRUMENTS, *profiles_gauge.INSTRUMENTS, *throttle_gauge.INSTRUMENTS)
"""With those that exporters of profiles and throttles make where there are any."""
