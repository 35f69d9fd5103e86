"""The in-memory exporter of a test setup is registered in production: its list of finished spans has no bound."""

from __future__ import annotations

from typing import Any

from _shop import work
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

KIND = "leak"
SPAN = "GET /stock"
SITE = None
HOLDER = "_finished_spans"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600

exporter = InMemorySpanExporter()


def setup() -> None:
    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))


def request(i: int, now: float) -> None:
    span = trace.get_current_span()
    span.set_attributes({"stock.sku": f"sku-{i % 500}", "stock.warehouse": "north", "stock.count": i % 90})
    span.add_event("read", {"rows": i % 17})
    work(i)


def teardown() -> None:
    exporter.clear()
