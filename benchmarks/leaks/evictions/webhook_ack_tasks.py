"""Webhook deliveries run as tasks, kept in a set until they are done; the post has a timeout, the wait for the
receiver's acknowledgement has none, and some never come."""

from __future__ import annotations

import asyncio
import json

from _kit import answer, chance, order_json

KIND = "leak"
SPAN = "POST /events"
SITE = "WebhookSender.deliver"
HOLDER = "_background"
REQUESTS_PER_SECOND = 10
DURATION_S = 3600


class Acknowledgements:
    """Receivers call back with the delivery's id."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    def expect(self, delivery: str) -> asyncio.Event:
        event = self._waiting[delivery] = asyncio.Event()
        return event

    def arrived(self, delivery: str) -> None:
        event = self._waiting.pop(delivery, None)
        if event is not None:
            event.set()


class WebhookSender:
    def __init__(self, acknowledgements: Acknowledgements) -> None:
        self._acknowledgements = acknowledgements
        self._background: set[asyncio.Task[None]] = set()
        self.delivered = 0

    def spawn(self, i: int) -> None:
        task = asyncio.create_task(self.deliver(i))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _post(self, delivery: str, body: str, i: int) -> None:
        await asyncio.sleep(0.02)
        if chance(i, 1, 0.8):
            asyncio.get_running_loop().call_later(0.5, self._acknowledgements.arrived, delivery)

    async def deliver(self, i: int) -> None:
        event = json.loads(order_json(i, 24))
        delivery = f"dlv_{i:09d}"
        acknowledged = self._acknowledgements.expect(delivery)
        for attempt in range(3):
            try:
                await asyncio.wait_for(self._post(delivery, event["id"], i), timeout=5)
                break
            except asyncio.TimeoutError:
                await asyncio.sleep(2**attempt)
        await acknowledged.wait()
        self.delivered += len(event["lines"]) > 0


sender: WebhookSender


def setup() -> None:
    global sender
    sender = WebhookSender(Acknowledgements())


async def request(i: int, now: float) -> None:
    answer(i)
    sender.spawn(i)
    await asyncio.sleep(0.01)


def teardown() -> None:
    pass
