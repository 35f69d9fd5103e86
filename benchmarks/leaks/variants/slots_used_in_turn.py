"""Results go into 4,000 numbered slots, one after the other: a ring that is full after half an hour."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "bounded"
SPAN = "GET /trace"
REQUESTS_PER_SECOND = 3
DURATION_S = 5400

SLOTS = 4000
slots: list[Any] = [None] * SLOTS


def setup() -> None:
    slots[:] = [None] * SLOTS


def request(i: int, now: float) -> None:
    slots[i % SLOTS] = parts(i, 2500)
    work(i)


def teardown() -> None:
    slots.clear()
