"""Handlers are registered with a weak reference whose callback takes them out again; clients stay for ten minutes."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

from _load import parts, work

KIND = "bounded"
SPAN = "GET /events"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

class Client:
    pass


handlers: dict[int, Any] = {}
clients: deque[tuple[float, Client]] = deque()


def register(i: int, client: Client) -> None:
    handlers[i] = (weakref.ref(client, lambda _: handlers.pop(i, None)), parts(i, 4000))


def setup() -> None:
    clients.clear()
    handlers.clear()


def request(i: int, now: float) -> None:
    client = Client()
    register(i, client)
    clients.append((now, client))
    while clients[0][0] < now - 600:
        clients.popleft()
    work(i)


def teardown() -> None:
    clients.clear()
    handlers.clear()
