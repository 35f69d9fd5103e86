"""Publisher confirms with multiple=True acknowledge all messages up to a tag; only the tag's own span is ended and
forgotten.

Seen with a RabbitMQ client.
"""

from __future__ import annotations

import json

from opentelemetry import trace

KIND = "leak"
SPAN = "POST /shipments"
SITE = "publish"
HOLDER = "_awaiting"
REQUESTS_PER_SECOND = 9
DURATION_S = 2700


class Broker:
    """Confirms in groups when it is busy, one at a time when it is not."""

    def __init__(self):
        self.tag = 0
        self.unconfirmed = 0

    def send(self, body):
        self.tag += 1
        self.unconfirmed += 1
        return self.tag

    def confirms(self):
        group = 4 if self.tag // 100 % 2 else 1
        if self.unconfirmed >= group:
            self.unconfirmed = 0
            yield self.tag, group > 1


class Publisher:
    def __init__(self, broker):
        self.broker = broker
        self.tracer = trace.get_tracer("shipping.publisher")
        self._awaiting = {}

    def publish(self, routing_key, message):
        body = json.dumps(message)
        span = self.tracer.start_span(
            "shipments publish",
            kind=trace.SpanKind.PRODUCER,
            attributes={"messaging.system": "rabbitmq", "messaging.routing_key": routing_key, "messaging.body": body},
        )
        tag = self.broker.send(body)
        self._awaiting[tag] = span

    def on_confirm(self, tag, multiple):
        span = self._awaiting.pop(tag, None)
        if span is not None:
            span.set_attribute("messaging.confirmed_in_group", multiple)
            span.end()

    def poll(self):
        for tag, multiple in self.broker.confirms():
            self.on_confirm(tag, multiple)


_publisher = None


def setup():
    global _publisher
    _publisher = Publisher(Broker())


def request(i, now):
    parcels = [{"parcel": f"{i}-{k}", "grams": 300 + 40 * k, "depot": f"D{(i + k) % 60}"} for k in range(10)]
    _publisher.publish(f"shipment.{i % 12}", {"id": i, "at": now, "parcels": parcels})
    _publisher.poll()


def teardown():
    _publisher._awaiting.clear()
