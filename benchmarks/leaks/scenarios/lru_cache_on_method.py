"""functools.lru_cache(maxsize=None) on a method keeps every instance it was called on; flake8-bugbear warns of it (B019)."""

from __future__ import annotations

import functools
from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "GET /basket"
SITE = "Basket.__init__"
HOLDER = "lru_cache"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


class Basket:
    def __init__(self, i: int) -> None:
        self.rows: list[dict[str, Any]] = [record(i + k, 700) for k in range(2)]

    @functools.lru_cache(maxsize=None)  # noqa: B019, UP033 - the leak, as it is written
    def total(self, currency: str) -> int:
        return sum(len(row["text"]) for row in self.rows)


def setup() -> None:
    Basket.total.cache_clear()


def request(i: int, now: float) -> None:
    work(i)
    Basket(i).total("EUR")


def teardown() -> None:
    Basket.total.cache_clear()
