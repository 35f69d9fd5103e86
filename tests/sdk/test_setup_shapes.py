"""The private names by which the doctor reads an SDK that was set up stand for what was given to it publicly."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanheap.spans import sdk


class LogsNowhere:
    """An exporter of log records, whatever their base class is called."""

    def export(self, batch: Any) -> None:
        """Do nothing."""

    def shutdown(self) -> None:
        """Do nothing."""


def test_processors_and_their_exporters() -> None:
    """Of spans and of logs, as they were added."""
    spans, logs = ConsoleSpanExporter(), LogsNowhere()
    traces, records = TracerProvider(), LoggerProvider()
    of_spans = (SimpleSpanProcessor(spans), BatchSpanProcessor(spans))
    of_logs = (SimpleLogRecordProcessor(logs), BatchLogRecordProcessor(logs, max_queue_size=700))
    for span_processor in of_spans:
        traces.add_span_processor(span_processor)
    for log_processor in of_logs:
        records.add_log_record_processor(log_processor)
    assert sdk.trace_processors(traces) == of_spans and sdk.log_processors(records) == of_logs
    assert [sdk.exporter_of(p) for p in of_spans] == [spans, spans]
    assert [sdk.exporter_of(p) for p in of_logs] == [logs, logs]
    queue = sdk.batch_queue(of_logs[1])
    assert queue is not None and (queue.capacity, queue.batch) == (700, 512)
    traces.shutdown()
    records.shutdown()


def test_limits_are_those_given() -> None:
    """The object itself."""
    limits = SpanLimits(max_attribute_length=77)
    assert sdk.span_limits(TracerProvider(span_limits=limits)) is limits


def test_tracers_and_their_names() -> None:
    """A provider keeps its Tracers, or whoever asks for them does: then it cannot be told."""
    provider = TracerProvider()
    tracer = provider.get_tracer("shop", "1.2")
    scope: Any = sdk.tracer_scope(tracer)
    assert (scope.name, scope.version) == ("shop", "1.2")
    kept = sdk.kept_tracers(provider)
    assert kept == (tracer,) if provider.get_tracer("shop", "1.2") is tracer else kept is None


def test_metric_readers_meters_and_instruments() -> None:
    """As they were given and asked for, with their callbacks, and the sets of attributes that were measured with."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    meter = provider.get_meter("shop")

    def observe(options: Any) -> list[Any]:
        return []

    counter = meter.create_counter("orders")
    with_callback, without = (meter.create_observable_gauge(n, c) for n, c in (("a", [observe]), ("b", None)))
    for customer in range(7):
        counter.add(1, {"customer": customer})
    assert sdk.metric_readers(provider) == (reader,) and sdk.metric_readers(MeterProvider()) == ()
    assert sdk.meters(provider) == (meter,)
    assert set(sdk.instruments(meter) or ()) == {counter, with_callback, without}
    assert sdk.callbacks(with_callback) == (observe,) and sdk.callbacks(without) == ()
    assert {i: number for i, (number, _) in (sdk.attribute_sets(provider) or {}).items()} == {counter: 7}
    provider.shutdown()


def test_exporter_without_a_maximum_has_none() -> None:
    """All of InMemorySpanExporter in older SDKs, the default in newer ones."""
    assert sdk.kept_at_most(InMemorySpanExporter()) is None
