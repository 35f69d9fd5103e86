"""A pool of up to eighty connections that are replaced after ten minutes; their buffers adapt to the answers they saw."""

from __future__ import annotations

import asyncio
import math

from _svc import crunch, spread

KIND = "bounded"
SPAN = "GET /query"
REQUESTS_PER_SECOND = 5
DURATION_S = 4200
MAX_LIFETIME_S = 600


class Connection:
    def __init__(self, now: float) -> None:
        self.opened_at = now
        self.buffer = bytearray(16_384)

    def adapt(self, size: int) -> None:
        while len(self.buffer) < size:
            self.buffer += bytes(len(self.buffer))


class Pool:
    def __init__(self) -> None:
        self.idle: list[Connection] = []
        self.opened = 0

    def acquire(self, now: float) -> Connection:
        while self.idle:
            connection = self.idle.pop(0)
            if now - connection.opened_at < MAX_LIFETIME_S:
                return connection
        self.opened += 1
        return Connection(now)

    def release(self, connection: Connection) -> None:
        self.idle.append(connection)


pool: Pool


def traffic(t: float) -> float:
    return min(1.0, 0.3 + t / 1500) * (1 + 0.2 * math.sin(t / 90))


async def request(i: int, now: float) -> None:
    connection = pool.acquire(now)
    await asyncio.sleep(2 + spread(i) % 12)
    connection.adapt(min(400_000, int(9000 / ((spread(i, 2) + 1) / 0x100000000))))
    crunch(i)
    pool.release(connection)


CONCURRENCY = 80


def setup() -> None:
    global pool
    pool = Pool()


def teardown() -> None:
    """The pool goes with the process."""
