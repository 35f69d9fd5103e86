"""A middleware of all endpoints captures each body for replay, and lets it go after the handler: not when that raises.

One in fifteen answers 404 or 422 by an exception, on every endpoint alike. Seen in ASGI body-logging middleware.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from _svc import blob, crunch, one_in

KIND = "leak"
SPAN = "GET /items"
ENDPOINTS = [("GET /items", 6), ("POST /orders", 2), ("GET /search", 2)]
SITE = "BodyCapture.__call__"
HOLDER = "_captures"
REQUESTS_PER_SECOND = 6
DURATION_S = 3000

Handler = Callable[[int, str], Awaitable[int]]


class HTTPError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class BodyCapture:
    def __init__(self, app: Handler) -> None:
        self.app = app
        self._captures: dict[int, bytes] = {}

    async def __call__(self, i: int, endpoint: str) -> int:
        self._captures[i] = blob(i, 80_000)
        status = await self.app(i, endpoint)
        del self._captures[i]
        return status


class ErrorPages:
    def __init__(self, app: Handler) -> None:
        self.app = app

    async def __call__(self, i: int, endpoint: str) -> int:
        try:
            return await self.app(i, endpoint)
        except HTTPError as error:
            return error.status


async def routes(i: int, endpoint: str) -> int:
    crunch(i)
    await asyncio.sleep(0.01)
    if one_in(15, i):
        raise HTTPError(404 if endpoint.startswith("GET") else 422)
    return 200


app: ErrorPages


def setup() -> None:
    global app
    app = ErrorPages(BodyCapture(routes))


async def request(i: int, now: float, endpoint: str) -> None:
    await app(i, endpoint)


def teardown() -> None:
    """The app goes with the process."""
