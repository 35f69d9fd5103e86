"""An event bus holds its handlers weakly, so that sockets need not unsubscribe, and the predicate given with each
strongly: its closure holds the socket, whose weak reference never dies."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from typing import Any

from _kit import answer, chance, mixed, order_json

KIND = "leak"
SPAN = "WS /orders/{id}"
SITE = "OrderSocket.__init__"
HOLDER = "_predicates"
REQUESTS_PER_SECOND = 8
DURATION_S = 3600

Event = dict[str, Any]


class EventBus:
    """Handlers are forgotten when what they are methods of is."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[weakref.WeakMethod[Any]]] = {}
        self._predicates: dict[tuple[str, int], Callable[[Event], bool]] = {}

    def subscribe(self, topic: str, handler: Any, when: Callable[[Event], bool] | None = None) -> None:
        reference = weakref.WeakMethod(handler, lambda dead: self._forget(topic, dead))
        self._handlers.setdefault(topic, []).append(reference)
        if when is not None:
            self._predicates[topic, id(reference)] = when

    def _forget(self, topic: str, dead: weakref.WeakMethod[Any]) -> None:
        left = [reference for reference in self._handlers.get(topic, ()) if reference is not dead]
        if left:
            self._handlers[topic] = left
        else:
            self._handlers.pop(topic, None)
        self._predicates.pop((topic, id(dead)), None)

    def publish(self, topic: str, event: Event) -> int:
        told = 0
        for reference in tuple(self._handlers.get(topic, ())):
            when = self._predicates.get((topic, id(reference)))
            handler = reference()
            if handler is not None and (when is None or when(event)):
                handler(event)
                told += 1
        return told


class OrderSocket:
    """One browser that looks at one order."""

    def __init__(self, i: int, region: str) -> None:
        self.region = region
        self.order = json.loads(order_json(i, 9))
        self.sent: list[str] = []

    def open(self, bus: EventBus, topic: str, filtered: bool) -> None:
        if filtered:
            bus.subscribe(topic, self.on_event, when=lambda event: event["region"] == self.region)
        else:
            bus.subscribe(topic, self.on_event)

    def on_event(self, event: Event) -> None:
        self.sent.append(f"{self.order['id']}: {event['status']}")


bus: EventBus


def setup() -> None:
    global bus
    bus = EventBus()


def request(i: int, now: float) -> None:
    region = ("eu", "us", "ap")[mixed(i, 1) % 3]
    socket = OrderSocket(i, region)
    topic = f"order:{i}"
    socket.open(bus, topic, filtered=chance(i, 2, 0.6))
    for status in ("paid", "packed"):
        bus.publish(topic, {"region": region, "status": status})
    answer(i)


def teardown() -> None:
    pass
