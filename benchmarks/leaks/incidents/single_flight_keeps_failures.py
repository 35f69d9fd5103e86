"""A single-flight table forgets a call when it succeeded; one in fifty fails, and its future stays with the exception.

The traceback of that has the frame with the upstream's body. Seen in request coalescers and async memoizers.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from _svc import blob, crunch, one_in

KIND = "leak"
SPAN = "GET /product"
SITE = "fetch_upstream"
HOLDER = "_flights"
REQUESTS_PER_SECOND = 5
DURATION_S = 3000

_flights: dict[str, asyncio.Future[Any]] = {}


async def fetch_upstream(i: int) -> Any:
    body = blob(i, 400_000)
    await asyncio.sleep(0.03)
    if one_in(50, i):
        return json.loads(body[:12] + b"{")
    return len(body)


async def coalesced(key: str, i: int) -> Any:
    if (flight := _flights.get(key)) is not None:
        return await flight
    flight = _flights[key] = asyncio.get_running_loop().create_future()
    try:
        result = await fetch_upstream(i)
    except ValueError as error:
        flight.set_exception(error)
        flight.exception()   # retrieved: asyncio need not complain
        raise
    flight.set_result(result)
    del _flights[key]
    return result


def setup() -> None:
    _flights.clear()


async def request(i: int, now: float) -> None:
    crunch(i)
    await coalesced(f"product/{i}?rev={i % 7}", i)


def teardown() -> None:
    _flights.clear()
