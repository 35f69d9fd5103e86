"""420 stores live as long as the process, each with a functools.cached_property that is computed at its first visit."""

from __future__ import annotations

import functools

from _svc import crunch, page, spread

KIND = "bounded"
SPAN = "GET /store"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


class Store:
    def __init__(self, number: int) -> None:
        self.number = number

    @functools.cached_property
    def assortment(self) -> list[str]:
        return [page(self.number + k, 6000) for k in range(10)]


stores: list[Store] = []


def setup() -> None:
    stores[:] = [Store(number) for number in range(420)]


def request(i: int, now: float) -> None:
    store = stores[int(420 * (spread(i) / 0x100000000) ** 1.4)]
    crunch(len(store.assortment))


def teardown() -> None:
    stores.clear()
