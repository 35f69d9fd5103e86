"""An RPC client keeps a future for each call by its correlation id; those of lost replies stay."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "GET /quote"
SITE = "Client.call"
HOLDER = "_pending"
REQUESTS_PER_SECOND = 6
DURATION_S = 4000

class Client:
    def __init__(self) -> None:
        self._pending: dict[int, tuple[Any, Any]] = {}

    async def call(self, i: int) -> None:
        future = asyncio.get_running_loop().create_future()
        self._pending[i] = (future, parts(i, 3000))
        if i % 3:
            asyncio.get_running_loop().call_later(0.2, self.reply, i)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(future), 1.0)

    def reply(self, i: int) -> None:
        future, _ = self._pending.pop(i)
        future.set_result(None)


client = Client()


def setup() -> None:
    client._pending.clear()


async def request(i: int, now: float) -> None:
    await client.call(i)
    work(i)


def teardown() -> None:
    client._pending.clear()
