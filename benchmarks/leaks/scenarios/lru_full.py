"""A cache of two thousand products that is full within minutes; every further product throws an old one out."""

from __future__ import annotations

import collections
from typing import Any

from _shop import record, work

KIND = "bounded"
SPAN = "GET /products/{id}"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

products: collections.OrderedDict[int, dict[str, Any]] = collections.OrderedDict()


def setup() -> None:
    products.clear()


def request(i: int, now: float) -> None:
    products[i] = record(i, 5000)
    if len(products) > 2000:
        products.popitem(last=False)
    work(i)


def teardown() -> None:
    products.clear()
