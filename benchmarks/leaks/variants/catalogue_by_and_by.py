"""A catalogue of 5,000 products is read in as it is asked for, the popular ones first: nothing removes any."""

from __future__ import annotations

import random
from typing import Any

from _load import parts, work

KIND = "bounded"
SPAN = "GET /product/{id}"
REQUESTS_PER_SECOND = 8
DURATION_S = 6000

products: dict[int, Any] = {}
_rng = random.Random(7)


def product(number: int) -> Any:
    if number not in products:
        products[number] = parts(number, 4000)
    return products[number]


def setup() -> None:
    products.clear()


def request(i: int, now: float) -> None:
    product(int(5000 * _rng.random() ** 1.5))
    work(i)


def teardown() -> None:
    products.clear()
