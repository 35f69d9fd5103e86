"""Sessions that live for eight minutes without use: as many as there are visitors, whose number rises and falls."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from typing import Any

from _kit import answer, chance, mixed, order_json

KIND = "bounded"
SPAN = "GET /cart"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 9
DURATION_S = 5400

IDLE_S = 480.0


def traffic(t: float) -> float:
    return 1.1 - math.cos(2 * math.pi * t / 2700)


class Cart:
    def __init__(self, token: str, content: dict[str, Any]) -> None:
        self.token = token
        self.content = content
        self.used = 0.0

    def touch(self, now: float) -> None:
        self.used = now


class CartSessions:
    """In the order of their last use: the front is what expires next."""

    def __init__(self) -> None:
        self._carts: OrderedDict[str, Cart] = OrderedDict()

    def of(self, token: str, i: int, now: float) -> Cart:
        cart = self._carts.get(token)
        if cart is None:
            cart = self._carts[token] = Cart(token, json.loads(order_json(i, 11)))
        else:
            self._carts.move_to_end(token)
        cart.touch(now)
        return cart

    def expire(self, now: float) -> None:
        while self._carts:
            token, cart = next(iter(self._carts.items()))
            if cart.used >= now - IDLE_S:
                break
            del self._carts[token]


carts: CartSessions


def setup() -> None:
    global carts
    carts = CartSessions()


def request(i: int, now: float) -> None:
    visitor = i if chance(i, 1, 0.4) else max(0, i - mixed(i, 2) % 300)
    cart = carts.of(f"cart-{visitor}", i, now)
    cart.content["visits"] = cart.content.get("visits", 0) + 1
    carts.expire(now)
    answer(i)


def teardown() -> None:
    pass
