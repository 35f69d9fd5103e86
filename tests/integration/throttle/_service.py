"""A service with a throttle, an exporter that stalls, and memory that is as full as a test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from spanheap import MemoryThrottledSpanProcessor
from spanheap.spans import sdk
from spanheap.throttle.pressure import Level, Pressure


class Exporter(SpanExporter):
    """Exports while `works` is set."""

    def __init__(self) -> None:
        self.works = threading.Event()
        self.works.set()
        self.names: list[str] = []
        self.threads: set[str] = set()

    def export(self, spans: Any) -> SpanExportResult:
        """See SpanExporter."""
        self.threads.add(threading.current_thread().name)
        self.works.wait(60)
        self.names += [span.name for span in spans]
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """See SpanExporter."""


class Memory:
    """In place of MemoryPressure."""

    def __init__(self) -> None:
        self.level = Level.OPEN
        self.room: int | None = None

    def look(self, now: float) -> Pressure:
        """As the test says."""
        return Pressure(self.level, self.room)


class Service:
    """A tracer whose spans go through a throttle; its ticks are the test's."""

    def __init__(self, exporter: Exporter, **options: Any) -> None:
        batch = {key: options.pop(key) for key in ("max_queue_size", "max_export_batch_size") if key in options}
        self.exporter = exporter
        self.batch = BatchSpanProcessor(exporter, schedule_delay_millis=10, **batch)
        self.throttle = MemoryThrottledSpanProcessor(self.batch, **{"check_interval": 3600, **options})
        self.memory = Memory()
        self.throttle._memory = self.memory   # type: ignore[assignment]
        self.provider = TracerProvider()
        self.provider.add_span_processor(self.throttle)
        self.tracer = self.provider.get_tracer("tests")

    def press(self, level: Level, room: int | None = 0) -> None:
        """Make memory as full as this, and look at it."""
        self.memory.level, self.memory.room = level, room
        self.throttle._tick()

    def span(self, name: str = "child", *, error: bool = False, root: bool = False, remote: bool = False) -> None:
        """One that starts and ends."""
        ids = trace.SpanContext(1, 2, is_remote=remote, trace_flags=trace.TraceFlags(1))
        context = None if root else trace.set_span_in_context(trace.NonRecordingSpan(ids))
        span = self.tracer.start_span(name, context=context)
        if error:
            span.set_status(trace.StatusCode.ERROR)
        span.end()

    def end_all(self) -> None:
        """And wait for it."""
        self.exporter.works.set()
        self.provider.shutdown()


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Fails when it has not come true by then."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.005)


def length(s: Service) -> int:
    """Of the queue."""
    queue = sdk.batch_queue(s.batch)
    assert queue is not None
    return len(queue.spans)


def stall(s: Service) -> None:
    """The exporter has a batch in its hands and does not come back."""
    s.exporter.works.clear()
    s.span("first", root=True)
    wait_until(lambda: bool(s.exporter.threads) and length(s) == 0)
