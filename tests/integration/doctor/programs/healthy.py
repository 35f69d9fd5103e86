"""A program that sets the SDK up as one should; its providers are those of a function that returns."""

from __future__ import annotations

import os

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter


def main() -> None:
    """Serve three thousand requests."""
    nowhere = open(os.devnull, "w")  # noqa: SIM115 - for as long as the program runs
    provider = TracerProvider(span_limits=SpanLimits(max_attribute_length=4096))
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=nowhere)))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter(out=nowhere))]))
    tracer, meter = trace.get_tracer("shop"), metrics.get_meter("shop")
    orders = meter.create_counter("orders")
    meter.create_observable_gauge("pool.size", [lambda options: [metrics.Observation(3)]])
    last = {}
    for i in range(3000):
        with tracer.start_as_current_span("GET /orders") as span:
            span.set_attribute("order", i)
        orders.add(1, {"http.route": "/orders"})
        last["last"] = span


if __name__ == "__main__":
    main()
