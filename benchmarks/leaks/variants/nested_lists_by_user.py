"""A history for each of twenty users, in lists that only grow."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "GET /history"
SITE = "remember"
HOLDER = "histories"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class Histories:
    def __init__(self) -> None:
        self.of: dict[int, list[Any]] = {}


histories = Histories()


def remember(i: int) -> None:
    histories.of.setdefault(i * 7 % 20, []).append(parts(i, 1500))


def setup() -> None:
    histories.of.clear()


def request(i: int, now: float) -> None:
    remember(i)
    work(i)


def teardown() -> None:
    histories.of.clear()
