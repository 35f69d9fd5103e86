"""Login nonces are valid for a quarter of an hour, each with a call_later of its own that removes it.

The timer's handle has the request's context, and with it the ended span: kept, but never longer than the nonce.
"""

from __future__ import annotations

import asyncio

from _svc import crunch, page

KIND = "bounded"
SPAN = "GET /login"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600
VALID_S = 900

nonces: dict[str, str] = {}


async def request(i: int, now: float) -> None:
    crunch(i)
    nonce = f"n-{i:09d}"
    nonces[nonce] = page(i, 5000)
    asyncio.get_running_loop().call_later(VALID_S, nonces.pop, nonce, None)
    await asyncio.sleep(0.01)
    if i % 4 == 0:
        nonces.pop(nonce)   # logged in


def setup() -> None:
    nonces.clear()


def teardown() -> None:
    nonces.clear()
