"""A connection pool opens another connection whenever a busier moment comes, up to fifty; it never closes one."""

from __future__ import annotations

import asyncio

from _shop import work

KIND = "bounded"
SPAN = "GET /rows"
REQUESTS_PER_SECOND = 2.5
DURATION_S = 4200
CONCURRENCY = 100
LIMIT = 50


class Connection:
    def __init__(self) -> None:
        self.buffer = bytearray(150_000)


idle: list[Connection] = []
opened = 0


def traffic(t: float) -> float:
    busy = min(1.0, t / 2000)
    return 0.8 + (6 * busy if t % 300 < 10 else 0)


def setup() -> None:
    idle.clear()


async def request(i: int, now: float) -> None:
    global opened
    if idle:
        connection = idle.pop()
    elif opened < LIMIT:
        opened += 1
        connection = Connection()
    else:
        await asyncio.sleep(1.0)
        return
    await asyncio.sleep(2.0)
    work(len(connection.buffer))
    idle.append(connection)


def teardown() -> None:
    idle.clear()
