"""Spans that wait for their export are held rightly."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from .conftest import Service

BATCH = 64


class Stalled(SpanExporter):
    """Does not return until it is told to; keeps what it has exported only when asked to."""

    def __init__(self, keep: bool = False) -> None:
        self.go_on, self.begun, self.kept = threading.Event(), threading.Event(), [] if keep else None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter."""
        if self.kept is not None:
            self.kept.extend(spans)
        self.begun.set()
        self.go_on.wait(60)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """See SpanExporter."""


@pytest.fixture
def batching() -> Iterator[Callable[..., BatchSpanProcessor]]:
    """Makes batch processors, and stops them when the test is over."""
    made: list[tuple[BatchSpanProcessor, Any]] = []

    def make(exporter: SpanExporter, **options: Any) -> BatchSpanProcessor:
        options = {"max_queue_size": 2048, "schedule_delay_millis": 20, "max_export_batch_size": BATCH, **options}
        made.append((BatchSpanProcessor(exporter, **options), exporter))
        return made[-1][0]

    yield make
    for processor, exporter in made:
        getattr(exporter, "go_on", threading.Event()).set()
        processor.shutdown()


def test_a_stalled_exporter_is_no_leak(service: Service, batching: Callable[..., BatchSpanProcessor]) -> None:
    """Neither its full queue nor the batch that it is sending, for minutes."""
    exporter = Stalled()
    service.provider.add_span_processor(batching(exporter))
    for _ in range(1500):
        service.request()
    assert exporter.begun.wait(30)
    for _ in range(4):
        service.wait(30)
        assert service.spans.retained() == [] and service.spans.retained_totals().retained_spans == 0
    exporter.go_on.set()
    assert service.provider.force_flush()
    service.wait(10)
    deadline = time.monotonic() + 30
    while service.spans.retained(grace=0) and time.monotonic() < deadline:
        time.sleep(0.01)   # the worker lets go of its last batch when it gets to run
    assert service.spans.retained(grace=0) == []


def test_a_leak_behind_a_busy_exporter_is_found(service: Service, batching: Callable[..., BatchSpanProcessor]) -> None:
    """What an export that never ends may hold is one batch; the exporter that keeps more is a leak."""
    exporter = Stalled(keep=True)
    service.provider.add_span_processor(batching(exporter))
    exporter.go_on.set()
    for _ in range(600):
        service.request()
    assert service.provider.force_flush()
    exporter.go_on.clear()
    exporter.begun.clear()
    service.request("the last")
    assert exporter.begun.wait(30)
    service.wait(30)
    found = sum(row.spans for row in service.spans.retained())
    assert 601 - 4 * BATCH < found <= 601 * 1.25


def test_an_exporter_that_keeps_spans_behind_a_batch_processor_is_found(
    service: Service, batching: Callable[..., BatchSpanProcessor]
) -> None:
    """The queue is empty: all that is alive is the exporter's."""
    exporter = InMemorySpanExporter()
    service.provider.add_span_processor(batching(exporter))
    for _ in range(100):
        service.request()
    assert service.provider.force_flush()
    service.wait(7)
    [row] = service.spans.retained()
    assert row.kind == "ReadableSpan" and row.spans == 100


def test_a_leaked_span_is_found_though_its_other_object_is_queued(
    service: Service, batching: Callable[..., BatchSpanProcessor]
) -> None:
    """A Span that the service keeps is no queue's, once its ReadableSpan has been exported."""
    exporter = Stalled()
    service.provider.add_span_processor(batching(exporter))
    kept = [service.request("kept") for _ in range(50)]
    exporter.go_on.set()
    assert service.provider.force_flush()
    deadline = time.monotonic() + 30
    service.wait(1)
    while service.spans.retained(grace=0)[0].kind != "Span" and time.monotonic() < deadline:
        time.sleep(0.01)   # the worker lets go of its last batch
    service.wait(7)
    [row] = service.spans.retained()
    assert (row.name, row.kind, row.spans) == ("kept", "Span", len(kept))


def test_processors_inside_others_are_looked_into(service: Service, batching: Callable[..., BatchSpanProcessor]) -> None:
    """A filter in front of a batch processor, as services write it."""

    class Filter(SpanProcessor):
        def __init__(self, behind: SpanProcessor) -> None:
            self.behind = behind
            self.itself = self   # and a cycle

        def on_end(self, span: ReadableSpan) -> None:
            self.behind.on_end(span)

    exporter = Stalled()
    service.provider.add_span_processor(Filter(Filter(batching(exporter))))
    for _ in range(300):
        service.request()
    assert exporter.begun.wait(30)
    service.wait(30)
    assert service.spans.retained() == []


def test_a_processor_of_another_make_with_the_same_names_does_no_harm(service: Service) -> None:
    """What looks like a queue and is none, or raises: its spans are reported, nothing else happens."""

    class Odd(SpanProcessor):
        queue, spans_list = "no deque", None

        def __init__(self) -> None:
            self.kept: list[ReadableSpan] = []

        @property
        def _batch_processor(self) -> Any:
            raise RuntimeError("not ready")

        def on_end(self, span: ReadableSpan) -> None:
            self.kept.append(span)

    class Public(Odd):
        """A queue of its own in the fields that the SDK's had: it counts as one."""

        _batch_processor = None   # type: ignore[assignment]

        def __init__(self) -> None:
            self.queue, self.spans_list = deque(), []   # type: ignore[assignment]

        def on_end(self, span: ReadableSpan) -> None:
            self.queue.append(span)   # type: ignore[attr-defined]

    service.provider.add_span_processor(Public())
    service.request("queued")
    service.wait(10)
    assert service.spans.retained() == []
    service.provider.add_span_processor(Odd())
    service.request("kept")
    service.wait(10)
    assert service.spans.retained() == []   # the queue holds it, too
