"""A reminder is scheduled on the loop for each order, a day ahead, and never cancelled when the order is paid."""

from __future__ import annotations

import asyncio
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "POST /orders"
SITE = "remind"
HOLDER = "_scheduled"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

def remind(i: int) -> None:
    asyncio.get_running_loop().call_later(86_400, send, parts(i, 2000))


def send(order: Any) -> None:
    order.clear()


def setup() -> None:
    pass


async def request(i: int, now: float) -> None:
    remind(i)
    work(i)
    await asyncio.sleep(0.01)


def teardown() -> None:
    pass
