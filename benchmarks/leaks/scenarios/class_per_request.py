"""A response class is generated per query and registered with its base; seen with dynamic schema models and namedtuples."""

from __future__ import annotations

import collections
from typing import Any, ClassVar

from _shop import work

KIND = "leak"
SPAN = "POST /query"
SITE = "row_class"
HOLDER = "known"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


class Row:
    known: ClassVar[list[type]] = []

    def __init_subclass__(cls) -> None:
        Row.known.append(cls)


def row_class(i: int, columns: list[str]) -> type:
    fields: dict[str, Any] = {name: property(lambda self, name=name: self.__dict__[name]) for name in columns}
    return type(f"Row{i}", (Row,), fields)


def setup() -> None:
    Row.known.clear()


def request(i: int, now: float) -> None:
    row_class(i, [f"c{k}" for k in range(i % 4 + 3)]) if i % 3 == 0 else collections.Counter("none")
    work(i)


def teardown() -> None:
    Row.known.clear()
