"""Rows are spooled into one of two buffers, and every two thousand the buffers change places: one is shipped, half a
minute later it is emptied. The shape of any columnar sink."""

from __future__ import annotations

import json
from typing import Any

from _data import churn, message

KIND = "bounded"
SPAN = "sink.row"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 3
DURATION_S = 5400


class Buffer:
    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[dict[str, Any]] = []
        self.size = 0

    def add(self, raw: str) -> None:
        self.rows.append(json.loads(raw))
        self.size += len(raw)

    def clear(self) -> None:
        self.rows.clear()
        self.size = 0


class Spool:
    ROWS = 2600
    SHIPPING_S = 40.0

    def __init__(self) -> None:
        self.front = Buffer("a")
        self.back = Buffer("b")
        self._shipping_since: float | None = None
        self.shipped = 0

    def add(self, raw: str, now: float) -> None:
        self.front.add(raw)
        if self._shipping_since is not None and now - self._shipping_since >= self.SHIPPING_S:
            self.shipped += len(self.back.rows)
            self.back.clear()
            self._shipping_since = None
        if len(self.front.rows) >= self.ROWS and self._shipping_since is None:
            self.front, self.back = self.back, self.front
            self._shipping_since = now


spool: Spool


def setup() -> None:
    global spool
    spool = Spool()


def request(i: int, now: float) -> None:
    spool.add(message(i, 5000), now)
    churn(i)


def teardown() -> None:
    del globals()["spool"]
