"""A ring of the last errors, each with its request: full after twenty-five minutes, then one out for one in."""

from __future__ import annotations

import asyncio
from collections import deque

from _svc import blob, crunch, one_in

KIND = "bounded"
SPAN = "POST /payment"
REQUESTS_PER_SECOND = 4
DURATION_S = 4200

failures: deque[tuple[float, bytes, str]] = deque(maxlen=200)


async def charge(i: int, body: bytes) -> int:
    await asyncio.sleep(0.2)
    if one_in(30, i):
        raise PermissionError(f"card of payment {i} was declined")
    return len(body)


async def request(i: int, now: float) -> None:
    crunch(i)
    body = blob(i, 90_000)
    try:
        await charge(i, body)
    except PermissionError as error:
        failures.append((now, body, str(error)))


def setup() -> None:
    failures.clear()


def teardown() -> None:
    failures.clear()
