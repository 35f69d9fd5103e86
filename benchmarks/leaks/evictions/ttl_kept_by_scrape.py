"""The lifetime of a cache's entries begins anew at each access, and the metrics endpoint measures the cache by
accessing every entry every two minutes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from _kit import answer, mixed, order_json

KIND = "leak"
SPAN = "GET /quotes/{id}"
SITE = "QuoteService.price"
HOLDER = "quotes"
REQUESTS_PER_SECOND = 7
DURATION_S = 3600


class SlidingCache:
    """Entries live for `ttl` seconds after they were last used."""

    def __init__(self, name: str, ttl: float) -> None:
        self.name = name
        self.ttl = ttl
        self._entries: dict[str, list[Any]] = {}   # key: [deadline, value]

    def get(self, key: str, now: float) -> Any:
        entry = self._entries.get(key)
        if entry is None or entry[0] < now:
            return None
        entry[0] = now + self.ttl
        return entry[1]

    def put(self, key: str, value: Any, now: float) -> None:
        self._entries[key] = [now + self.ttl, value]

    def items(self, now: float) -> Iterator[tuple[str, Any]]:
        for key in list(self._entries):
            value = self.get(key, now)
            if value is not None:
                yield key, value

    def sweep(self, now: float) -> None:
        for key in [key for key, entry in self._entries.items() if entry[0] < now]:
            del self._entries[key]


class QuoteService:
    def __init__(self) -> None:
        self.quotes = SlidingCache("quotes", ttl=240.0)
        self.rates = SlidingCache("rates", ttl=240.0)

    def rate(self, lane: str, i: int, now: float) -> dict[str, Any]:
        known = self.rates.get(lane, now)
        if known is None:
            known = {"lane": lane, "tiers": [mixed(i, k) % 900 for k in range(60)]}
            self.rates.put(lane, known, now)
        return known

    def price(self, i: int, now: float) -> dict[str, Any]:
        order = json.loads(order_json(i, 8))
        order["rate"] = self.rate(f"lane-{mixed(i, 9) % 4000}", i, now)["tiers"][0]
        self.quotes.put(order["id"], order, now)
        return order

    def metrics(self, now: float) -> str:
        lines = sum(len(quote["lines"]) for _, quote in self.quotes.items(now))
        return f"quotes_cached_lines {lines}\n"


service: QuoteService
last = {"scrape": 0.0, "sweep": 0.0}


def setup() -> None:
    global service
    service = QuoteService()


def request(i: int, now: float) -> None:
    service.price(i, now)
    service.quotes.get(f"ord_{max(0, i - mixed(i, 3) % 60):09d}", now)
    answer(i)
    if now - last["scrape"] >= 120:
        last["scrape"] = now
        service.metrics(now)
    if now - last["sweep"] >= 120:
        last["sweep"] = now
        service.quotes.sweep(now)
        service.rates.sweep(now)


def teardown() -> None:
    pass
