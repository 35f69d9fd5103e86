"""Price quotes are valid for four hours, and the service has run for one and a half."""

from __future__ import annotations

from typing import Any

from _shop import record, work

KIND = "growing_bound_unknown"
SPAN = "POST /quotes"
REQUESTS_PER_SECOND = 2
DURATION_S = 5400
TTL_S = 14_400

quotes: dict[int, tuple[float, dict[str, Any]]] = {}


def setup() -> None:
    quotes.clear()


def request(i: int, now: float) -> None:
    quotes[i] = (now, record(i, 2400))
    if i % 100 == 0:
        for key in [key for key, (at, _) in quotes.items() if now - at > TTL_S]:
            del quotes[key]
    work(i)


def teardown() -> None:
    quotes.clear()
