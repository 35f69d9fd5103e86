"""The remedy: the metadata of ended spans in a ring."""

from __future__ import annotations

from typing import Any

import spanheap

_ring = spanheap.SpanRing(100, ttl=60)


def handle(tracer: Any, number: int) -> None:
    """Answer a request."""
    with tracer.start_as_current_span("GET /orders/{id}") as span:
        pass
    context = span.get_span_context()
    _ring.append(context.trace_id, context.span_id, name="GET /orders/{id}")
