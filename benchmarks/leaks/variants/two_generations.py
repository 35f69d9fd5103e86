"""A cache of two dicts: when the young one has 3,000 entries it becomes the old one, and the old one goes."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "bounded"
SPAN = "GET /thumbnail"
REQUESTS_PER_SECOND = 4
DURATION_S = 5400

class Generations:
    def __init__(self) -> None:
        self.young: dict[int, Any] = {}
        self.old: dict[int, Any] = {}

    def put(self, i: int) -> None:
        self.young[i] = parts(i, 2000)
        if len(self.young) == 3000:
            self.old, self.young = self.young, {}


cache = Generations()


def setup() -> None:
    cache.young, cache.old = {}, {}


def request(i: int, now: float) -> None:
    cache.put(i)
    work(i)


def teardown() -> None:
    cache.young, cache.old = {}, {}
