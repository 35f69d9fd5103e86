"""Ended spans kept in a module-level map by request id, for a debug page; seen in services with home-made trace viewers."""

from __future__ import annotations

from typing import Any

from _shop import work
from opentelemetry import trace

KIND = "leak"
SPAN = "GET /orders/{id}"
SITE = None
HOLDER = "finished_spans"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600

finished_spans: dict[str, Any] = {}


def setup() -> None:
    finished_spans.clear()


def request(i: int, now: float) -> None:
    span = trace.get_current_span()
    span.set_attribute("order.id", i)
    work(i)
    finished_spans[f"req-{i:08d}"] = span


def teardown() -> None:
    finished_spans.clear()
