"""Reading a defaultdict makes entries for every client that was ever asked about."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from _load import text, work

KIND = "leak"
SPAN = "GET /quota"
SITE = "limits_of"
HOLDER = "limits"
REQUESTS_PER_SECOND = 6
DURATION_S = 3000

limits: defaultdict[str, dict[str, Any]] = defaultdict(dict)


def limits_of(i: int) -> int:
    return len(limits[text(i, 900)])


def setup() -> None:
    limits.clear()


def request(i: int, now: float) -> None:
    limits_of(i)
    work(i)


def teardown() -> None:
    limits.clear()
