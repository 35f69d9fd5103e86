"""A service in which every instrument has something to report, and a program that sends it to an OTLP receiver.

    python -m tests.receivers.service grpc|http ENDPOINT FOLDER

prints as JSON what a reader in the process sees: {metric: [kind, unit, attributes]}.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, Histogram, InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

import spanheap
from spanheap.otlp.messages import Messages, ProfilesUnavailable
from spanheap.telemetry import profiles_gauge

LIMIT = 1 << 33
SECONDS = 150
RATE = 200_000   # bytes a second that GET / keeps
assert asyncio   # its tasks are counted where it is imported


def _unreported() -> set[str]:
    try:
        Messages()
    except ProfilesUnavailable:
        return {instrument.name for instrument in profiles_gauge.INSTRUMENTS}
    return set()


UNREPORTED = _unreported()
"""The metrics that this service does not have, for want of a package."""


class Nowhere(SpanExporter):
    """Takes all."""

    def export(self, spans: Any) -> SpanExportResult:
        """See SpanExporter."""
        return SpanExportResult.SUCCESS


@contextmanager
def everything(meters: Any, traces: TracerProvider, folder: Path, logs: Any = None) -> Iterator[spanheap.Session]:
    """150 seconds of a service, at virtual speed, with a limit, a leak, labels, kept spans, a recorder, automatic dumps, a
    throttle, and an exporter of profiles where opentelemetry-proto is installed."""
    throttle = spanheap.MemoryThrottledSpanProcessor(SimpleSpanProcessor(Nowhere()), meter_provider=meters)
    tracer, kept, spans = traces.get_tracer("t"), [], []
    policy = spanheap.DumpPolicy(folder=str(folder), growth_percent=1, growth_within=60, cooldown_s=0)
    with spanheap.profile(
        sample_interval=1_000, tick=None, meter_provider=meters, tracer_provider=traces, logger_provider=logs,
        label_metrics=["tenant"], recorder=folder / "recording", dumps=policy,
        detect=spanheap.LeakPolicy(memory_limit=LIMIT, holders=False, percent=1, within=60),
        adaptive=False, max_samples=1 << 17,
        profiles_endpoint=None if UNREPORTED else "http://127.0.0.1:1", profiles_interval=86_400,
    ) as session:
        for now in range(SECONDS):
            for _ in range(10):
                with tracer.start_as_current_span("GET /"), spanheap.labels(tenant="acme"):
                    kept.append(bytearray(RATE // 10))
            spans.append(tracer.start_span("kept"))
            if now % 2:
                spans[-1].end()
            session.tick(now)
        gc.collect()
        session.tick(SECONDS)
        yield session
        del kept, spans
    throttle.shutdown()


def kind_of(data: Any) -> str:
    """In the words of docs/metrics.md."""
    if isinstance(data, (Gauge, Histogram)):
        return "histogram" if isinstance(data, Histogram) else "observable gauge"
    return "observable counter" if data.is_monotonic else "observable up-down counter"


def collected(reader: InMemoryMetricReader) -> dict[str, Any]:
    """The metrics of spanheap's scope by name."""
    data = reader.get_metrics_data()
    scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
    return {metric.name: metric for scope in scopes if scope.scope.name == "spanheap" for metric in scope.metrics}


def described(metrics: dict[str, Any]) -> dict[str, tuple[str, str, list[str]]]:
    """Name -> kind, unit, attributes."""
    return {name: (kind_of(metric.data), metric.unit, sorted({key for point in metric.data.data_points
                                                              for key in point.attributes}))
            for name, metric in metrics.items()}


def main(protocol: str, endpoint: str, folder: str) -> None:
    """Send metrics, traces and log events there, once."""
    resource = Resource({"service.name": "orders"})
    metrics: Any
    spans: Any
    records: Any
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans

        metrics = GrpcMetrics(endpoint=endpoint, insecure=True)
        spans = GrpcSpans(endpoint=endpoint, insecure=True)
        records = GrpcLogs(endpoint=endpoint, insecure=True)
    else:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans

        metrics, spans = HttpMetrics(endpoint=f"{endpoint}/v1/metrics"), HttpSpans(endpoint=f"{endpoint}/v1/traces")
        records = HttpLogs(endpoint=f"{endpoint}/v1/logs")
    seen = InMemoryMetricReader()
    sending = PeriodicExportingMetricReader(metrics, export_interval_millis=3_600_000)
    meters = MeterProvider([sending, seen], resource=resource)
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(spans, max_queue_size=1 << 16))
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(records))
    with everything(meters, traces, Path(folder), logs):
        assert meters.force_flush(20_000) and traces.force_flush(20_000) and logs.force_flush(20_000)
        print(json.dumps(described(collected(seen))))
    for provider in (meters, traces, logs):
        provider.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
