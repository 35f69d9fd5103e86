"""Async generators are stopped in the middle and remembered "to go on later"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "GET /feed"
SITE = "feed"
HOLDER = "streams"
REQUESTS_PER_SECOND = 3
DURATION_S = 3000

streams: dict[int, AsyncIterator[Any]] = {}


async def feed(i: int) -> AsyncIterator[Any]:
    rows = parts(i, 2000)
    for line in rows["lines"]:
        yield line


def setup() -> None:
    streams.clear()


async def request(i: int, now: float) -> None:
    streams[i] = stream = feed(i)
    await anext(stream)
    work(i)
    await asyncio.sleep(0.01)


def teardown() -> None:
    streams.clear()
