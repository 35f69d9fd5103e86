"""One sampled allocation and its release: one in 512 KiB, so 1 µs is 0.2 % of code that allocates 1 GiB/s."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.trace import Tracer

import spanheap
from spanheap import _core


def deep(depth: int, work: Callable[[], object]) -> object:
    return work() if depth == 0 else deep(depth - 1, work)


def allocate_100() -> None:
    for _ in range(100):
        object()


@pytest.mark.parametrize("depth", [2, 20, 60])
@pytest.mark.parametrize("interval", [1 << 40, 1], ids=["countdown-only", "every-allocation"])
def test_100_objects(benchmark: Any, tracer_with: Callable[[object], Tracer], depth: int, interval: int) -> None:
    """The difference of the two intervals is 100 samples: stack, span, tables, release; caches are warm here."""
    tracer = tracer_with(_core.SpanProcessor())
    with (
        spanheap.profile(tick=None, sample_interval=interval, max_samples=65536, adaptive=False),
        tracer.start_as_current_span("GET /items"),
    ):
        deep(depth, lambda: benchmark(allocate_100))
