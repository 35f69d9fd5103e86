"""Each hour the orders of the hour are summed up: twenty megabytes for five minutes, then none."""

from __future__ import annotations

from typing import Any

from _shop import record, work

KIND = "bounded"
SPAN = "POST /orders"
REQUESTS_PER_SECOND = 0.8
DURATION_S = 14_400

lines: list[dict[str, Any]] = []


def setup() -> None:
    lines.clear()


def request(i: int, now: float) -> None:
    phase = now % 3600
    if 1200 <= phase < 1500:
        lines.extend(record(i * 20 + k, 4500) for k in range(20))
    elif lines and phase >= 1500:
        lines.clear()
    work(i)


def teardown() -> None:
    lines.clear()
