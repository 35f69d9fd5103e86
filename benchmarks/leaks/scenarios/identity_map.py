"""One database session for the whole process: its identity map keeps each row ever loaded, and its lazy properties.

Seen with object-relational mappers in services that open their session at import.
"""

from __future__ import annotations

import functools

from _shop import work

KIND = "leak"
SPAN = "GET /customers/{id}"
SITE = "Customer.statement"
HOLDER = "identity_map"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


class Customer:
    def __init__(self, number: int) -> None:
        self.number = number

    @functools.cached_property
    def statement(self) -> bytes:
        return f"customer {self.number}".encode().ljust(2000, b"-")


class Session:
    def __init__(self) -> None:
        self.identity_map: dict[int, Customer] = {}

    def get(self, number: int) -> Customer:
        customer = self.identity_map.get(number)
        if customer is None:
            customer = self.identity_map[number] = Customer(number)
        return customer


session = Session()


def setup() -> None:
    session.identity_map.clear()


def request(i: int, now: float) -> None:
    customer = session.get(i * 7919 % 1_000_003)
    work(len(customer.statement))


def teardown() -> None:
    session.identity_map.clear()
