"""A semaphore limits uploads; the release is skipped when a transfer fails, once in two hundred, until no permit is left.

From then on each shielded upload waits for ever with its payload, though its request has timed out long ago.
"""

from __future__ import annotations

import asyncio

from _svc import blob, crunch, one_in

KIND = "leak"
SPAN = "PUT /object"
SITE = "upload"
HOLDER = "slots"
REQUESTS_PER_SECOND = 4
DURATION_S = 3300

slots: asyncio.Semaphore


async def transfer(i: int, payload: bytes) -> int:
    await asyncio.sleep(0.1)
    if one_in(200, i):
        raise ConnectionResetError(i)
    return len(payload)


async def upload(i: int) -> int:
    payload = blob(i, 12_000)
    await slots.acquire()
    sent = await transfer(i, payload)
    slots.release()
    return sent


async def request(i: int, now: float) -> None:
    crunch(i)
    task = asyncio.create_task(upload(i))
    try:
        await asyncio.wait_for(asyncio.shield(task), timeout=6)
    except (asyncio.TimeoutError, ConnectionError):
        pass   # 504


def setup() -> None:
    global slots
    slots = asyncio.Semaphore(16)


def teardown() -> None:
    """The waiting uploads are cancelled with the loop."""
