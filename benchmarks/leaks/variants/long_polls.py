"""Each request waits for ten minutes before it is answered; from 0 to 1,200 waiting at once."""

from __future__ import annotations

import asyncio

from _load import parts, work

KIND = "bounded"
SPAN = "GET /poll"
REQUESTS_PER_SECOND = 2
DURATION_S = 4800
CONCURRENCY = 3000

def setup() -> None:
    pass


async def request(i: int, now: float) -> None:
    mine = parts(i, 8000)
    await asyncio.sleep(600)
    mine.clear()
    work(i)


def teardown() -> None:
    pass
