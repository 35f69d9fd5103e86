"""The memory of the process: what the system says, the limit, and when it is reached.

What opentelemetry-instrumentation-system-metrics reports already is left to it.
"""

from __future__ import annotations

from spanheap.spans import sdk
from spanheap.telemetry.instrument import Instrument, Values, gauge, one, up_down_counter
from spanheap.telemetry.reading import Reading

RESIDENT = "process.memory.usage"
VIRTUAL = "process.memory.virtual"
LIMIT_SOURCE = "spanheap.memory.limit.source"


def _resident(reading: Reading) -> Values:
    memory = reading.memory()
    return one(None if memory is None or RESIDENT in sdk.system_metrics() else memory.resident)


def _virtual(reading: Reading) -> Values:
    memory = reading.memory()
    return one(None if memory is None or VIRTUAL in sdk.system_metrics() else memory.virtual)


def _limit(reading: Reading) -> Values:
    usage = reading.usage()
    return () if usage is None else ((usage.limit.bytes, {LIMIT_SOURCE: usage.limit.source}),)


def _used(reading: Reading) -> Values:
    usage = reading.usage()
    return () if usage is None else ((usage.bytes, {LIMIT_SOURCE: usage.limit.source}),)


def _time_to_limit(reading: Reading) -> Values:
    usage = reading.usage()
    return one(None if usage is None else reading.memory_growth.time_to(usage.limit.bytes, usage.bytes))


INSTRUMENTS: tuple[Instrument, ...] = (
    up_down_counter(RESIDENT, "By", "The amount of physical memory in use.", _resident),
    up_down_counter(VIRTUAL, "By", "The amount of committed virtual memory.", _virtual),
    gauge("spanheap.memory.limit", "By", "The memory limit that is nearest.", _limit, LIMIT_SOURCE),
    gauge("spanheap.memory.used", "By", "What counts against that limit, without what the kernel would take back.",
          _used, LIMIT_SOURCE),
    gauge("spanheap.memory.growth", "By/s", "Growth of what counts against the limit, over ten minutes.",
          lambda reading: one(reading.memory_growth.rate())),
    gauge("spanheap.memory.time_to_limit", "s", "Until the limit at this rate; nothing while it does not grow steadily.",
          _time_to_limit),
)
