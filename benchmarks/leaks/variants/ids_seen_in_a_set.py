"""Deduplication by a set of all ids ever seen; ints of their own and a table that doubles."""

from __future__ import annotations

from _load import work

KIND = "leak"
SPAN = "POST /webhook"
SITE = "is_new"
HOLDER = "_seen"
REQUESTS_PER_SECOND = 20
DURATION_S = 2400

_seen: set[int] = set()


def is_new(event: int) -> bool:
    if event in _seen:
        return False
    _seen.add(event)
    return True


def setup() -> None:
    _seen.clear()


def request(i: int, now: float) -> None:
    for k in range(6):
        is_new(1_000_000_007 * (6 * i + k))
    work(i)


def teardown() -> None:
    _seen.clear()
