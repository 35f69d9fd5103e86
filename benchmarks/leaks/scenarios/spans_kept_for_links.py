"""A consumer keeps the span of each message, to link a later batch to it; batches of failed partitions never come."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from _shop import work
from opentelemetry import trace

KIND = "leak"
SPAN = "orders process"
SITE = None
HOLDER = "waiting"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

waiting: defaultdict[int, list[Any]] = defaultdict(list)


def setup() -> None:
    waiting.clear()


def request(i: int, now: float) -> None:
    partition = i % 5
    waiting[partition].append(trace.get_current_span())
    work(i)
    if partition < 3 and len(waiting[partition]) >= 50:
        links = [trace.Link(span.get_span_context()) for span in waiting.pop(partition)]
        with trace.get_tracer("consumer").start_as_current_span("orders commit", links=links):
            work(i)


def teardown() -> None:
    waiting.clear()
