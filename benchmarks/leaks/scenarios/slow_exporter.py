"""The collector stalls for twelve minutes, twice, and ended spans queue up to a limit; then they drain, slowly."""

from __future__ import annotations

from collections import deque
from typing import Any

from _shop import work
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

KIND = "bounded"
SPAN = "GET /map"
REQUESTS_PER_SECOND = 3
DURATION_S = 6000


class QueueProcessor(SpanProcessor):
    def __init__(self) -> None:
        self.queue: deque[Any] = deque(maxlen=2048)

    def on_end(self, span: Any) -> None:
        self.queue.append(span)


processor = QueueProcessor()


def stalled(now: float) -> bool:
    return 600 <= now % 3000 < 1320


def setup() -> None:
    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(processor)


def request(i: int, now: float) -> None:
    trace.get_current_span().set_attributes({"map.zoom": i % 19, "map.tile": f"{i % 512}/{i % 300}"})
    if not stalled(now):
        for _ in range(min(3, len(processor.queue))):
            processor.queue.popleft()
    work(i)


def teardown() -> None:
    processor.queue.clear()
