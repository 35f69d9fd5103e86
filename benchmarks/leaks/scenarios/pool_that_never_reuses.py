"""A client session per request, and its pool keeps each connection "for reuse" under a key that is never asked for again.

Seen where the key contains the session's own settings object, compared by identity.
"""

from __future__ import annotations

from typing import Any

from _shop import work

KIND = "leak"
SPAN = "GET /proxy"
SITE = "Connection.__init__"
HOLDER = "idle"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


class Settings:
    def __init__(self) -> None:
        self.timeout = 3.0


class Connection:
    def __init__(self) -> None:
        self.buffer = bytearray(8192)


class Pool:
    def __init__(self) -> None:
        self.idle: dict[tuple[str, Any], list[Connection]] = {}

    def take(self, host: str, settings: Any) -> Connection:
        waiting = self.idle.get((host, settings))
        return waiting.pop() if waiting else Connection()

    def give_back(self, host: str, settings: Any, connection: Connection) -> None:
        self.idle.setdefault((host, settings), []).append(connection)


pool = Pool()
shared = Settings()


def setup() -> None:
    pool.idle.clear()


def request(i: int, now: float) -> None:
    settings = Settings() if i % 6 == 0 else shared
    connection = pool.take("stock.internal", settings)
    work(len(connection.buffer))
    pool.give_back("stock.internal", settings, connection)


def teardown() -> None:
    pool.idle.clear()
