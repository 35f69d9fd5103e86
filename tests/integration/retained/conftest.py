"""A traced service at virtual speed: its session ticks when a test says that time passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from spanheap import _core


class PlainSpan:
    """All that our processor needs of a span, of whatever make; an SDK's takes 30 us to make."""

    def __init__(self, name: str, span_id: int) -> None:
        self.context, self.parent, self.name = (1, span_id, False, 1, {}), None, name


class Service:
    """A tracer provider of its own, a session on a clock of its own."""

    def __init__(self, **options: Any) -> None:
        self.provider = TracerProvider()
        self.tracer = self.provider.get_tracer("tests")
        self.session = spanheap.start(tick=None, tracer_provider=self.provider, seed=1, **options)
        self.spans = self.session.spans
        self.now = 1000.0
        self.processor = _core.SpanProcessor()
        self.made = 0
        self.session.tick(self.now)

    def request(self, name: str = "GET /items", attributes: int = 5) -> Any:
        """A span that has started and ended; the Span."""
        with self.tracer.start_as_current_span(name) as span:
            for i in range(attributes):
                span.set_attribute(f"key.{i}", f"{i} of {id(span)}")
        return span

    def plain(self, name: str = "plain") -> PlainSpan:
        """The same without an SDK: quick, for when many are needed."""
        self.made += 1
        span = PlainSpan(name, self.made)
        self.processor.on_start(span)
        self.processor.on_end(span)
        return span

    def wait(self, seconds: float) -> None:
        """A tick each second."""
        while seconds > 0:
            self.now += min(1.0, seconds)
            seconds -= 1
            self.session.tick(self.now)
        assert _core.watch_valid()


@pytest.fixture
def service() -> Iterator[Service]:
    """See Service."""
    service = Service()
    yield service
    service.session.shutdown()
    service.provider.shutdown()
