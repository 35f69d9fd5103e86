"""Each request adds a callback to the one future that tells of the shutdown."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "GET /stream"
SITE = "open_stream"
HOLDER = "shutdown"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class App:
    def __init__(self) -> None:
        self.shutdown: Any = None


app = App()


def close(stream: Any, _: Any) -> None:
    stream.clear()


def open_stream(i: int) -> None:
    app.shutdown.add_done_callback(functools.partial(close, parts(i, 2000)))


def setup() -> None:
    app.shutdown = asyncio.get_running_loop().create_future()


async def request(i: int, now: float) -> None:
    open_stream(i)
    work(i)
    await asyncio.sleep(0.01)


def teardown() -> None:
    app.shutdown = None
