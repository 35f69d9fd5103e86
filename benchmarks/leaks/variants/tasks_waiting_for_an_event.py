"""Background tasks wait for a "ready" that was renamed and is never set; a set keeps them alive, as the manual says."""

from __future__ import annotations

import asyncio
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "POST /import"
SITE = "start_import"
HOLDER = "background"
REQUESTS_PER_SECOND = 3
DURATION_S = 3000

background: set[asyncio.Task[None]] = set()
state: dict[str, asyncio.Event] = {}


async def import_rows(rows: Any) -> None:
    await state["ready"].wait()
    rows.clear()


def start_import(i: int) -> None:
    task = asyncio.get_running_loop().create_task(import_rows(parts(i, 2400)))
    background.add(task)
    task.add_done_callback(background.discard)


def setup() -> None:
    state["ready"] = asyncio.Event()


async def request(i: int, now: float) -> None:
    start_import(i)
    work(i)
    await asyncio.sleep(0.01)


def teardown() -> None:
    for task in background:
        task.cancel()
