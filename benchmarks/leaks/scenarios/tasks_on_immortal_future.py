"""Each streaming request starts a task that waits for a future nobody resolves; seen with shutdown watchers in ASGI apps."""

from __future__ import annotations

import asyncio
from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "GET /stream"
SITE = "open_stream"
HOLDER = "shutdown_started"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600
CONCURRENCY = 40

shutdown_started: asyncio.Future[None] | None = None


def setup() -> None:
    global shutdown_started
    shutdown_started = asyncio.get_event_loop().create_future()


def open_stream(i: int) -> dict[str, Any]:
    return record(i, 8000)


async def watch(stream: dict[str, Any]) -> None:
    assert shutdown_started is not None
    await asyncio.shield(shutdown_started)
    stream.clear()


async def request(i: int, now: float) -> None:
    if i % 3 == 0:
        asyncio.get_running_loop().create_task(watch(open_stream(i)))
    await asyncio.sleep(0.05)
    work(i)


def teardown() -> None:
    if shutdown_started is not None:
        shutdown_started.cancel()
