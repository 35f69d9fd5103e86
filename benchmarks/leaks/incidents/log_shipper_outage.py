"""A log shipper's circuit breaker is open for twelve minutes, twice: lines queue up, then leave at three times the rate."""

from __future__ import annotations

import asyncio
from typing import Any

from _svc import crunch, page

KIND = "bounded"
SPAN = "GET /inbox"
REQUESTS_PER_SECOND = 4
DURATION_S = 4800


class Shipper:
    def __init__(self) -> None:
        self.lines: asyncio.Queue[Any] = asyncio.Queue()
        self.shipped = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            line = await self.lines.get()
            while 600 <= loop.time() % 2000 < 1320:
                await asyncio.sleep(5)
            await asyncio.sleep(0.08)
            self.shipped += len(line)
            del line


shipper: Shipper
runner: asyncio.Task[None]


async def setup() -> None:
    global shipper, runner
    shipper = Shipper()
    runner = asyncio.create_task(shipper.run())


async def request(i: int, now: float) -> None:
    crunch(i)
    await asyncio.sleep(0.01)
    shipper.lines.put_nowait({"at": now, "line": page(i, 9000)})


def teardown() -> None:
    runner.cancel()
