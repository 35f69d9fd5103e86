"""Start and end of a span. Target: at most 600 ns added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.trace import Tracer

import spanheap
from benchmarks.conftest import PassingProcessor
from spanheap import _core


@pytest.mark.parametrize("processor", ["none", "passing", "spanheap"])
def test_span(
    benchmark: Any, session: spanheap.Session, tracer_with: Callable[[object | None], Tracer], processor: str
) -> None:
    """A span with five attributes, beside no processor and one that does nothing."""
    kinds: dict[str, Callable[[], object | None]] = {
        "none": lambda: None, "passing": PassingProcessor, "spanheap": _core.SpanProcessor,
    }
    tracer = tracer_with(kinds[processor]())

    def span() -> None:
        started = tracer.start_span("GET /items")
        for i in range(5):
            started.set_attribute("key", i)
        started.end()

    benchmark(span)
