"""A pool of connections with 64 KiB of buffers each grows to its maximum of 250 over half an hour; none is ever closed."""

from __future__ import annotations

from typing import Any

from _load import work

KIND = "bounded"
SPAN = "GET /account"
REQUESTS_PER_SECOND = 4
DURATION_S = 6000

class Pool:
    def __init__(self) -> None:
        self.connections: list[Any] = []

    def connection(self, i: int) -> Any:
        if len(self.connections) < 250 and i % 30 == 0:
            self.connections.append({"id": i, "buffer": bytearray(65_536)})
        return self.connections[i % len(self.connections)]


pool = Pool()


def setup() -> None:
    pool.connections.clear()


def request(i: int, now: float) -> None:
    pool.connection(i)
    work(i)


def teardown() -> None:
    pool.connections.clear()
