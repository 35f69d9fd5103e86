"""A tail sampler keeps the spans of each trace for two minutes and then decides."""

from __future__ import annotations

from collections import deque
from typing import Any

from _load import work
from opentelemetry import trace

KIND = "bounded"
SPAN = "GET /tail"
REQUESTS_PER_SECOND = 20
DURATION_S = 2400

undecided: deque[tuple[float, Any]] = deque()


def setup() -> None:
    undecided.clear()


def request(i: int, now: float) -> None:
    undecided.append((now, trace.get_current_span()))
    while undecided[0][0] < now - 120:
        undecided.popleft()
    work(i)


def teardown() -> None:
    undecided.clear()
