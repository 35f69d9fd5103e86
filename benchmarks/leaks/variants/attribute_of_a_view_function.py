"""A view function carries its own history as an attribute."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "GET /dashboard"
SITE = "view"
HOLDER = "view"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

def view(i: int) -> None:
    history: list[Any] = view.__dict__.setdefault("history", [])
    history.append(parts(i, 1500))


def setup() -> None:
    pass


def request(i: int, now: float) -> None:
    view(i)
    work(i)


def teardown() -> None:
    view.__dict__.clear()
