"""A feature flag turned on after twenty minutes starts the leak: quotes of unknown visitors, stored to be claimed later."""

from __future__ import annotations

from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "GET /quote"
SITE = "remember_quote"
HOLDER = "unclaimed"
REQUESTS_PER_SECOND = 3
DURATION_S = 4200
ON_FROM_S = 1200

unclaimed: dict[int, dict[str, Any]] = {}


def remember_quote(i: int) -> None:
    unclaimed[i] = record(i, 2400)


def setup() -> None:
    unclaimed.clear()


def request(i: int, now: float) -> None:
    work(i)
    if now >= ON_FROM_S:
        remember_quote(i)


def teardown() -> None:
    unclaimed.clear()
