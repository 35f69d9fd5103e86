"""What a span pays for going through MemoryThrottledSpanProcessor while there is no pressure, and while there is."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from pytest_benchmark.fixture import BenchmarkFixture

import spanheap
from spanheap.throttle.pressure import Level, Pressure

IDS = trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1))


class Nothing(SpanProcessor):
    """Does nothing at the end of a span."""

    def on_end(self, span: ReadableSpan) -> None:
        """See SpanProcessor."""


@pytest.mark.parametrize("what", ["bare", "open", "fair_share", "hard"])
def test_on_end(benchmark: BenchmarkFixture, what: str) -> None:
    span = ReadableSpan("child", context=IDS, parent=IDS)
    bare = Nothing()
    throttle: Any = spanheap.MemoryThrottledSpanProcessor(bare, hard_limit=1 << 40, check_interval=3600)
    level = {"bare": Level.OPEN, "open": Level.OPEN, "fair_share": Level.SOFT, "hard": Level.HARD}[what]
    throttle._memory = type("Memory", (), {"look": lambda self, now: Pressure(level, 1 << 40)})()
    throttle._look()
    on_end = (bare if what == "bare" else throttle).on_end

    def calls() -> None:   # 1,000, as the SDK makes them: microseconds of this are nanoseconds of one
        for _ in range(1000):
            on_end(span)

    benchmark.pedantic(calls, rounds=100, warmup_rounds=2)
    throttle.shutdown()
