"""A span processor that watches spans in flight under id(span); on_end is handed a copy, so the entry is never found.

Seen in a home-made slow-request watchdog.
"""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

KIND = "leak"
SPAN = "PUT /carts/{id}"
SITE = None
HOLDER = "_in_flight"
REQUESTS_PER_SECOND = 10
DURATION_S = 1800


class SlowSpanWatchdog(SpanProcessor):
    def __init__(self, limit_s):
        self.limit_s = limit_s
        self.reported = 0
        self._in_flight = {}

    def on_start(self, span, parent_context=None):
        self._in_flight[id(span)] = span

    def on_end(self, span):
        self._in_flight.pop(id(span), None)
        if span.end_time - span.start_time > self.limit_s * 1e9:
            self.reported += 1

    def shutdown(self):
        self._in_flight.clear()

    def force_flush(self, timeout_millis=30000):
        return True


_watchdog = None


def price_cart(items):
    return sum(item["quantity"] * item["cents"] for item in items)


def setup():
    global _watchdog
    _watchdog = SlowSpanWatchdog(limit_s=5)
    trace.get_tracer_provider().add_span_processor(_watchdog)


def request(i, now):
    span = trace.get_current_span()
    items = [{"sku": f"S{(i + k) % 4000}", "quantity": 1 + k % 3, "cents": 199 * (k + 1)} for k in range(8)]
    span.set_attribute("cart.id", f"cart-{i % 3000}")
    span.set_attribute("cart.skus", [item["sku"] for item in items])
    total = price_cart(items)
    span.set_attribute("cart.total", total)
    if total > 10_000:
        span.add_event("large cart", {"total": total})
    return total


def teardown():
    _watchdog.shutdown()
