"""Rows live in a window of the last 800; one in fifty is noted as "suspicious" and stays."""

from __future__ import annotations

from collections import deque
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "POST /login"
SITE = "attempt"
HOLDER = "suspicious"
REQUESTS_PER_SECOND = 12
DURATION_S = 5400

window: deque[Any] = deque(maxlen=800)
suspicious: list[Any] = []


def attempt(i: int) -> None:
    row = parts(i, 9000)
    window.append(row)
    if i % 50 == 7:
        suspicious.append(row)


def setup() -> None:
    suspicious.clear()


def request(i: int, now: float) -> None:
    attempt(i)
    work(i)


def teardown() -> None:
    suspicious.clear()
    window.clear()
