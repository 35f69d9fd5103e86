"""Debug pages keep the last spans of each latency bucket, the rare buckets fill late.

Seen as zPages.
"""

from __future__ import annotations

from collections import defaultdict, deque

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

KIND = "bounded"
SPAN = "GET /products/{id}"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 7
DURATION_S = 6000

PER_BUCKET = 350


class LatencyPages(SpanProcessor):
    def __init__(self):
        self._buckets = defaultdict(lambda: deque(maxlen=PER_BUCKET))

    def on_start(self, span, parent_context=None):
        pass

    def on_end(self, span):
        latency = (span.attributes or {}).get("app.latency_ms")
        if latency is None:
            return
        bound = next((bound for bound in (10, 100, 1000) if latency < bound), None)
        self._buckets[span.name, bound].append(span)

    def page(self, name):
        return {bound: len(spans) for (other, bound), spans in self._buckets.items() if other == name}

    def shutdown(self):
        self._buckets.clear()

    def force_flush(self, timeout_millis=30000):
        return True


_pages = None


def latency_of(i):
    place = i * 7919 % 1000
    if place < 700:
        return 2 + place % 7
    if place < 920:
        return 20 + place % 60
    if place < 968:
        return 200 + place % 600
    return 1500


def setup():
    global _pages
    _pages = LatencyPages()
    trace.get_tracer_provider().add_span_processor(_pages)


def request(i, now):
    span = trace.get_current_span()
    latency = latency_of(i)
    span.set_attribute("app.latency_ms", latency)
    span.set_attribute("product.id", i % 5000)
    span.add_event("rendered", {"html": f"<li>{i}</li>" * (60 + latency // 10)})
    if i % 500 == 0:
        _pages.page(SPAN)


def teardown():
    _pages.shutdown()
