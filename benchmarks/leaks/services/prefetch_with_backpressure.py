"""A queue between a quick producer and a consumer a tenth slower: it fills to its maximum, then the oldest are shed.

Seen in a ticker fan-out.
"""

from __future__ import annotations

import asyncio

KIND = "bounded"
SPAN = "POST /ticks"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 9
DURATION_S = 4200
CONCURRENCY = 8

MAXIMUM = 1400


class Tick:
    __slots__ = ("at", "levels", "number")

    def __init__(self, number, at, levels):
        self.number = number
        self.at = at
        self.levels = levels


class FanOut:
    def __init__(self):
        self.queue = asyncio.Queue(maxsize=MAXIMUM)
        self.sent = 0
        self.shed = 0
        self.consumer = None

    def publish(self, tick):
        if self.consumer is None:
            self.consumer = asyncio.get_running_loop().create_task(self.consume())
        while True:
            try:
                return self.queue.put_nowait(tick)
            except asyncio.QueueFull:
                self.queue.get_nowait()
                self.shed += 1

    async def consume(self):
        while True:
            tick = await self.queue.get()
            self.sent += len(tick.levels)
            del tick
            await asyncio.sleep(0.128)


_fan_out = None


def setup():
    global _fan_out
    _fan_out = FanOut()


async def request(i, now):
    levels = [(round(100 + k * 0.01 + i % 50, 2), (i + k) % 900 + 300, f"venue-{k % 6}") for k in range(24 + i % 18)]
    await asyncio.sleep(0.005)
    _fan_out.publish(Tick(i, now, levels))
    return _fan_out.queue.qsize()


def teardown():
    pass
