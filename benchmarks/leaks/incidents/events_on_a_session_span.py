"""A gateway's subscription has one span for as long as it is open, and each message is an event of it.

The limit of 128 events was lifted "because some were missing". Seen with websocket and gRPC stream instrumentations.
"""

from __future__ import annotations

from typing import Any

from _svc import crunch, page
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

KIND = "leak"
SPAN = "POST /publish"
SITE = "on_message"
HOLDER = "_events"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000


class Subscription:
    def __init__(self, tracer: Any, topic: str) -> None:
        self.topic = topic
        self.span = tracer.start_span(f"subscription {topic}")

    def close(self) -> None:
        self.span.end()


subscriptions: list[Subscription] = []


def on_message(subscription: Subscription, i: int) -> None:
    subscription.span.add_event("message", {"message.id": i, "message.body": page(i, 9000)})


def setup() -> None:
    provider = TracerProvider(span_limits=SpanLimits(max_events=SpanLimits.UNSET), shutdown_on_exit=False)
    tracer = provider.get_tracer("gateway")
    subscriptions[:] = [Subscription(tracer, topic) for topic in ("orders", "stock", "prices")]


def request(i: int, now: float) -> None:
    on_message(subscriptions[i % 3], i)
    crunch(i)


def teardown() -> None:
    for subscription in subscriptions:
        subscription.close()
    subscriptions.clear()
