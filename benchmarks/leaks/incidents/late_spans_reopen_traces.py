"""A home-made tail sampler gathers the spans of a trace until its root ends; a span that ends later opens the trace anew.

Spans of background work end after the response, so each leaves an entry that no root will ever close. Seen in in-process
tail samplers and trace stitchers.
"""

from __future__ import annotations

import asyncio
from typing import Any

from _svc import crunch
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

KIND = "leak"
SPAN = "POST /comments"
SITE = "notify"
HOLDER = "_by_trace"
REQUESTS_PER_SECOND = 5
DURATION_S = 2100

tracer = trace.get_tracer("comments")


class TailSampler(SpanProcessor):
    def __init__(self) -> None:
        self._by_trace: dict[int, list[Any]] = {}
        self.sampled = 0

    def on_end(self, span: Any) -> None:
        trace_id = span.context.trace_id
        self._by_trace.setdefault(trace_id, []).append(span)
        if span.parent is None:
            spans = self._by_trace.pop(trace_id)
            self.sampled += any(one.attributes.get("error") for one in spans)


sampler = TailSampler()
background: set[asyncio.Task[None]] = set()


async def notify(i: int) -> None:
    with tracer.start_as_current_span("notify followers") as span:
        await asyncio.sleep(1.5)
        span.set_attributes({"comment.id": i, "followers": i % 211, "mail.subject": f"Re: your post {i} was commented"})


def setup() -> None:
    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(sampler)


async def request(i: int, now: float) -> None:
    with tracer.start_as_current_span("insert"):
        crunch(i)
        await asyncio.sleep(0.01)
    task = asyncio.create_task(notify(i))
    background.add(task)
    task.add_done_callback(background.discard)


def teardown() -> None:
    sampler._by_trace.clear()
