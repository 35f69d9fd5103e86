"""Countries are loaded once and shared; a relationship with a back reference appends each order to its country.

The orders belong to a session of one request, the list to the country of the process. Seen with SQLAlchemy backrefs.
"""

from __future__ import annotations

from typing import Any

from _svc import crunch, page

KIND = "leak"
SPAN = "GET /orders/{id}"
ENDPOINTS = [("GET /orders/{id}", 3), ("GET /countries", 2), ("POST /carts", 2)]
SITE = "load_order"
HOLDER = "orders"
REQUESTS_PER_SECOND = 5
DURATION_S = 3000


class Relationship:
    """A reference to one parent, which knows its children by the name of `backref`."""

    def __init__(self, backref: str) -> None:
        self.backref = backref

    def __set_name__(self, owner: type, name: str) -> None:
        self.slot = f"_{name}"

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else getattr(instance, self.slot, None)

    def __set__(self, instance: Any, parent: Any) -> None:
        setattr(instance, self.slot, parent)
        getattr(parent, self.backref).append(instance)


class Country:
    def __init__(self, code: str) -> None:
        self.code = code
        self.orders: list[Order] = []


class Order:
    country = Relationship(backref="orders")

    def __init__(self, i: int, comment: str) -> None:
        self.id = i
        self.comment = comment


countries = {code: Country(code) for code in ("de", "fr", "it", "jp", "us")}


def load_order(i: int) -> Order:
    return Order(i, page(i, 15_000))


def setup() -> None:
    for country in countries.values():
        country.orders.clear()


def request(i: int, now: float, endpoint: str) -> None:
    if endpoint == "GET /orders/{id}":
        order = load_order(i)
        order.country = countries[("de", "fr", "it", "jp", "us")[i % 5]]
    elif endpoint == "POST /carts":
        load_order(i)
    crunch(i)


def teardown() -> None:
    setup()
