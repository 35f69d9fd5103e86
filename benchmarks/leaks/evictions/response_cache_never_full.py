"""A cache of responses with a limit of 200 000 entries and invalidation by tag; the hour brings it a tenth of them."""

from __future__ import annotations

import json
from collections import OrderedDict

from _kit import answer, chance, mixed, order_json

KIND = "growing_bound_unknown"
SPAN = "GET /orders/{id}"
SITE = "OrderApi.render"
HOLDER = "_entries"
REQUESTS_PER_SECOND = 9
DURATION_S = 3600


class ResponseCache:
    """Least recently used goes first; a tag takes all its entries with it."""

    def __init__(self, max_entries: int) -> None:
        self.max_entries = max_entries
        self._entries: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._tags: dict[str, set[str]] = {}

    def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: str, tag: str, body: bytes) -> None:
        self._entries[key] = (tag, body)
        self._tags.setdefault(tag, set()).add(key)
        while len(self._entries) > self.max_entries:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        tag, _ = self._entries.pop(key)
        keys = self._tags[tag]
        keys.discard(key)
        if not keys:
            del self._tags[tag]

    def invalidate(self, tag: str) -> int:
        keys = tuple(self._tags.get(tag, ()))
        for key in keys:
            self._drop(key)
        return len(keys)


class OrderApi:
    def __init__(self) -> None:
        self.cache = ResponseCache(max_entries=200_000)

    def render(self, number: int) -> bytes:
        order = json.loads(order_json(number, 16))
        return json.dumps({"data": order, "links": {"self": f"/orders/{number}"}}).encode()

    def get(self, number: int, customer: str) -> bytes:
        key = f"GET /orders/{number}"
        body = self.cache.get(key)
        if body is None:
            body = self.render(number)
            self.cache.put(key, customer, body)
        return body


api: OrderApi


def setup() -> None:
    global api
    api = OrderApi()


def request(i: int, now: float) -> None:
    number = max(0, i - mixed(i, 2) % 50) if chance(i, 1, 0.3) else i
    api.get(number, f"cus_{number % 5000}")
    if chance(i, 3, 0.05):
        api.cache.invalidate(f"cus_{mixed(i, 4) % 5000}")
    answer(i)


def teardown() -> None:
    pass
