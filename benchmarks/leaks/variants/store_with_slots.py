"""A store whose class has __slots__, made in a factory and known only by a closure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "PUT /blob"
SITE = "Store.put"
HOLDER = "blobs"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class Store:
    __slots__ = ("blobs",)

    def __init__(self) -> None:
        self.blobs: dict[int, Any] = {}

    def put(self, i: int) -> None:
        self.blobs[i] = parts(i, 1500)


def make() -> Callable[[int], None]:
    store = Store()

    def handler(i: int) -> None:
        store.put(i)

    return handler


handler = make()


def setup() -> None:
    pass


def request(i: int, now: float) -> None:
    handler(i)
    work(i)


def teardown() -> None:
    pass
