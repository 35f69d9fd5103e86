"""A program with every mistake that the doctor knows."""

from __future__ import annotations

import multiprocessing
import os

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

finished = {}


def console() -> ConsoleSpanExporter:
    """Print spans to where nobody sees them."""
    return ConsoleSpanExporter(out=open(os.devnull, "w"))


def set_up_traces() -> None:
    """Make one provider with three bad processors, and a second one with none."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(console()))
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    provider.add_span_processor(BatchSpanProcessor(console(), max_queue_size=100_000))
    trace.set_tracer_provider(provider)
    TracerProvider(span_limits=SpanLimits(max_attribute_length=100, max_events=SpanLimits.UNSET))


def set_up_metrics() -> None:
    """Make a provider without a reader, and one whose reader is for tests."""
    metrics.set_meter_provider(MeterProvider())
    metrics.get_meter("shop").create_observable_gauge("pool.size")
    MeterProvider([InMemoryMetricReader()]).get_meter("shop").create_counter("logins").add(1)


def work() -> None:
    """Give everything a name of its own."""
    for i in range(200):
        with trace.get_tracer(f"shop.request.{i}").start_as_current_span("GET /orders") as span:
            span.set_attribute("body", "x" * 1000 + str(i))
        finished[i] = span
        metrics.get_meter(f"shop.request.{i}")
    meter = metrics.get_meter("shop")
    for i in range(600):
        meter.create_counter(f"orders.of.customer.{i}")


if __name__ == "__main__":
    set_up_traces()
    set_up_metrics()
    work()
    child = multiprocessing.get_context("fork").Process(target=int)
    child.start()
    child.join()
