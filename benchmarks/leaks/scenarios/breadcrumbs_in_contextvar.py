"""A list set in a ContextVar at start is what every request inherits and appends to; seen with error-tracking scopes."""

from __future__ import annotations

import contextvars
from typing import Any

from _shop import work

KIND = "leak"
SPAN = "GET /item"
SITE = "add_breadcrumb"
HOLDER = None
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

breadcrumbs: contextvars.ContextVar[list[dict[str, Any]]] = contextvars.ContextVar("breadcrumbs")


def add_breadcrumb(i: int, message: str) -> None:
    breadcrumbs.get().append({"category": "sql", "message": f"{message} {i}".ljust(600), "level": "info", "n": i})


def setup() -> None:
    breadcrumbs.set([])


def request(i: int, now: float) -> None:
    for table in ("items", "prices"):
        add_breadcrumb(i, f"SELECT * FROM {table}")
    work(i)


def teardown() -> None:
    breadcrumbs.set([])
