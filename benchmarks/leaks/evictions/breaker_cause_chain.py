"""A circuit breaker raises `CircuitOpen from` its last error, and what it raised becomes the next last error: while a
shard is down, a chain of causes grows, whose tracebacks hold the frames of every rejected request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from _kit import answer, chance, order_json

KIND = "leak"
SPAN = "POST /checkout"
SITE = "parse_order"
HOLDER = "_last_error"
REQUESTS_PER_SECOND = 12
DURATION_S = 3600


class CircuitOpen(Exception):
    """The backend is not asked."""


class BackendError(Exception):
    """The backend answered with an error."""


class CircuitBreaker:
    def __init__(self, name: str, threshold: int = 5, cool_down_s: float = 30.0) -> None:
        self.name = name
        self._threshold = threshold
        self._cool_down_s = cool_down_s
        self._failures = 0
        self._open_until = 0.0
        self._last_error: Exception | None = None

    def call(self, function: Callable[[], Any], now: float) -> Any:
        try:
            if now < self._open_until:
                raise CircuitOpen(self.name) from self._last_error
            result = function()
        except Exception as error:
            if error.__cause__ is None:
                error.__cause__ = self._last_error   # for the log: what it began with
            self._last_error = error
            self._failures += 1
            if self._failures >= self._threshold and now >= self._open_until:
                self._open_until = now + self._cool_down_s
            raise
        self._failures = 0
        self._last_error = None
        return result


def parse_order(i: int) -> dict[str, Any]:
    return json.loads(order_json(i, 14))


class CheckoutService:
    def __init__(self) -> None:
        self._breakers = {shard: CircuitBreaker(shard) for shard in ("eu-1", "eu-2", "us-1")}

    def _submit(self, shard: str, order: dict[str, Any], i: int) -> str:
        if shard == "eu-2":
            raise BackendError(f"{shard}: 502 for {order['id']}")
        if chance(i, 3, 0.01):
            raise BackendError(f"{shard}: 500 for {order['id']}")
        return str(order["id"])

    def checkout(self, i: int, now: float) -> int:
        order = parse_order(i)
        shard = "eu-2" if chance(i, 1, 0.25) else ("eu-1", "us-1")[i % 2]
        try:
            self._breakers[shard].call(lambda: self._submit(shard, order, i), now)
        except (CircuitOpen, BackendError):
            return 503
        return 201


service: CheckoutService


def setup() -> None:
    global service
    service = CheckoutService()


def request(i: int, now: float) -> None:
    service.checkout(i, now)
    answer(i)


def teardown() -> None:
    pass
