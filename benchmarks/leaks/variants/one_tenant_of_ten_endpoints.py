"""Ten endpoints share one function that makes rows; only the exports keep them."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "GET /export"
SITE = "fetch"
HOLDER = "_exports"
ENDPOINTS = [("GET /export", 1.0), *((f"GET /list/{k}", 1.0) for k in range(9))]
REQUESTS_PER_SECOND = 12
DURATION_S = 3600

_exports: list[Any] = []


def fetch(i: int) -> Any:
    return parts(i, 2500)


def setup() -> None:
    _exports.clear()


def request(i: int, now: float, endpoint: str) -> None:
    rows = fetch(i)
    if endpoint == SPAN:
        _exports.append(rows)
    work(i)


def teardown() -> None:
    _exports.clear()
