"""A cache that may hold a million entries and holds a few thousand: it grows as a leak does, and would stop one day."""

from __future__ import annotations

import functools
from typing import Any

from _shop import record, work

KIND = "growing_bound_unknown"
SPAN = "GET /geo/{address}"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


@functools.lru_cache(maxsize=1_000_000)
def located(address: int) -> dict[str, Any]:
    return record(address, 2400)


def setup() -> None:
    located.cache_clear()


def request(i: int, now: float) -> None:
    located(i)
    work(i)


def teardown() -> None:
    located.cache_clear()
