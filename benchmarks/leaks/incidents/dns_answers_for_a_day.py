"""A crawler caches DNS answers for the day that their TTL says, with a heap of expiries that is looked at each time."""

from __future__ import annotations

import asyncio
import heapq
from typing import Any

from _svc import crunch, page, spread

KIND = "growing_bound_unknown"
SPAN = "POST /crawl"
REQUESTS_PER_SECOND = 4
DURATION_S = 4800
TTL_S = 86_400


class Resolver:
    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.expiries: list[tuple[float, str]] = []

    async def resolve(self, host: str, now: float) -> Any:
        while self.expiries and self.expiries[0][0] <= now:
            self.answers.pop(heapq.heappop(self.expiries)[1], None)
        if host not in self.answers:
            await asyncio.sleep(0.02)
            self.answers[host] = {"a": [f"10.{spread(k) % 256}.0.{k}" for k in range(4)], "txt": page(len(host), 5000)}
            heapq.heappush(self.expiries, (now + TTL_S, host))
        return self.answers[host]


resolver: Resolver


def setup() -> None:
    global resolver
    resolver = Resolver()


async def request(i: int, now: float) -> None:
    await resolver.resolve(f"host-{spread(i) % 900_000}.example", now)
    crunch(i)


def teardown() -> None:
    """The resolver goes with the process."""
