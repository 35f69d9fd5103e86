"""Rows are gathered for twenty minutes, then the list is swapped for an empty one and sent."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "bounded"
SPAN = "POST /measure"
REQUESTS_PER_SECOND = 4
DURATION_S = 6000

rows: list[Any] = []
sent_at = 0.0


def send(batch: list[Any]) -> int:
    return len(batch)


def setup() -> None:
    global rows, sent_at
    rows, sent_at = [], 0.0


def request(i: int, now: float) -> None:
    global rows, sent_at
    rows.append(parts(i, 2500))
    if now - sent_at > 1200:
        batch, rows, sent_at = rows, [], now
        send(batch)
    work(i)


def teardown() -> None:
    rows.clear()
