"""State by connection in a WeakKeyDictionary; a connection stays for ten to twenty minutes, and its state has a limit."""

from __future__ import annotations

import asyncio
import weakref

from _svc import crunch, page, spread

KIND = "bounded"
SPAN = "GET /subscribe"
REQUESTS_PER_SECOND = 0.35
DURATION_S = 4800
CONCURRENCY = 900


class Connection:
    def __init__(self, i: int) -> None:
        self.i = i


states: weakref.WeakKeyDictionary[Connection, list[str]] = weakref.WeakKeyDictionary()


async def request(i: int, now: float) -> None:
    connection = Connection(i)
    states[connection] = []
    for k in range(10 + spread(i) % 10):
        await asyncio.sleep(60)
        recent = states[connection]
        recent.append(page(i + k, 8000))
        del recent[:-6]
        crunch(i)


def setup() -> None:
    states.clear()


def teardown() -> None:
    states.clear()
