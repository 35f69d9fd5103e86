"""An LRU by hand with a maximum of 40,000, of which an hour fills a third."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from _load import parts, work

KIND = "growing_bound_unknown"
SPAN = "GET /geo"
REQUESTS_PER_SECOND = 4
DURATION_S = 4800

class Lru:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.places: OrderedDict[int, Any] = OrderedDict()

    def put(self, i: int) -> None:
        self.places[i] = parts(i, 1200)
        if len(self.places) > self.limit:
            self.places.popitem(last=False)


lru = Lru(40_000)


def setup() -> None:
    lru.places.clear()


def request(i: int, now: float) -> None:
    lru.put(i)
    work(i)


def teardown() -> None:
    lru.places.clear()
