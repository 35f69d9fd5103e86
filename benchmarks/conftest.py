"""A profiled process, a tracer, and the rivals."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Tracer

import spanheap


@pytest.fixture
def session() -> Iterator[spanheap.Session]:
    with spanheap.profile(tick=None) as session:
        yield session


@pytest.fixture(params=["off", "no samples", "spanheap", "tracemalloc"])
def profiler(request: pytest.FixtureRequest) -> Iterator[str]:
    """What watches while the benchmark runs; "no samples" is the countdown alone."""
    if request.param == "tracemalloc":
        tracemalloc.start()
        yield request.param
        tracemalloc.stop()
    elif request.param == "off":
        yield request.param
    else:
        with spanheap.profile(tick=None, sample_interval=1 << 40 if request.param == "no samples" else 512 * 1024):
            yield request.param


class PassingProcessor(SpanProcessor):
    """What any processor costs the SDK."""

    def on_start(self, span: object, parent_context: object = None) -> None:
        pass

    def on_end(self, span: object) -> None:
        pass


@pytest.fixture
def tracer_with() -> Callable[[object | None], Tracer]:
    """A tracer of a provider of its own, with this processor or none."""

    def make(processor: object | None) -> Tracer:
        provider = TracerProvider(shutdown_on_exit=False)
        if processor is not None:
            provider.add_span_processor(processor)   # type: ignore[arg-type]
        return provider.get_tracer("benchmark")

    return make
