"""A worker opens a scope a message and forgets to close it: a chain in a context variable of an immortal task."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "POST /publish"
SITE = "publish"
HOLDER = "scope"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

scope: contextvars.ContextVar[Any] = contextvars.ContextVar("scope", default=None)
state: dict[str, Any] = {}


async def worker(inbox: asyncio.Queue[Any]) -> None:
    while True:
        message = await inbox.get()
        scope.set((scope.get(), message))


def publish(i: int) -> None:
    state["inbox"].put_nowait(parts(i, 1500))


def setup() -> None:
    state["inbox"] = asyncio.Queue()
    state["worker"] = asyncio.get_running_loop().create_task(worker(state["inbox"]))


async def request(i: int, now: float) -> None:
    publish(i)
    work(i)
    await asyncio.sleep(0.01)


def teardown() -> None:
    state["worker"].cancel()
    state.clear()
