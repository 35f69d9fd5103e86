"""No spans, only what is left of them: but of every one, for ever."""

from __future__ import annotations

from collections import deque
from typing import Any

_timings: deque[tuple[int, str, int]] = deque()


def handle(tracer: Any, number: int) -> None:
    """Answer a request."""
    with tracer.start_as_current_span("GET /search") as span:
        pass
    _timings.append((span.get_span_context().trace_id, "GET /search", span.end_time - span.start_time))
