"""A cache evicts one entry for each ten that it takes in."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "GET /page"
SITE = "load"
HOLDER = "cache"
REQUESTS_PER_SECOND = 4
DURATION_S = 4800

cache: OrderedDict[int, Any] = OrderedDict()


def load(i: int) -> None:
    cache[i] = parts(i, 2000)
    if len(cache) > 200 and i % 10 == 0:
        cache.popitem(last=False)


def setup() -> None:
    cache.clear()


def request(i: int, now: float) -> None:
    load(i)
    work(i)


def teardown() -> None:
    cache.clear()
