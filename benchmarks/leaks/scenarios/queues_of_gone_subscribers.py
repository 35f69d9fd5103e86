"""A broadcast puts each message into every subscriber's queue; subscribers that lost their connection are still in the list.

Seen in websocket hubs. The number of holders stands still: what grows is inside them.
"""

from __future__ import annotations

import asyncio
import itertools

from _shop import work

KIND = "leak"
SPAN = "POST /publish"
SITE = "publish"
HOLDER = "subscribers"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600
CONCURRENCY = 20

subscribers: list[asyncio.Queue[bytes]] = []
_numbers = itertools.count()


async def _reader(queue: asyncio.Queue[bytes]) -> None:
    while True:
        await queue.get()


def setup() -> None:
    subscribers.extend(asyncio.Queue() for _ in range(6))
    for queue in subscribers[:3]:   # the other three have no reader any more
        task = asyncio.get_event_loop().create_task(_reader(queue))
        queue.reader = task   # type: ignore[attr-defined]


def publish(i: int) -> None:
    for queue in subscribers:
        queue.put_nowait(b"%d for one" % next(_numbers) + b"." * 800)


async def request(i: int, now: float) -> None:
    publish(i)
    await asyncio.sleep(0.01)
    work(i)


def teardown() -> None:
    subscribers.clear()
