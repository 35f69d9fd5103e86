"""A decorator for rate limits keeps a dict by client in its closure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "GET /limited"
SITE = "limited.<locals>.call"
HOLDER = "calls"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

def limited(function: Callable[[int], int]) -> Callable[[int], int]:
    calls: dict[int, Any] = {}

    def call(i: int) -> int:
        calls[i] = parts(i, 1200)
        return function(i)

    return call


@limited
def answer(i: int) -> int:
    return work(i)


def setup() -> None:
    pass


def request(i: int, now: float) -> None:
    answer(i)


def teardown() -> None:
    pass
