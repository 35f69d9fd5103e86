"""Usage of 110 tenants in 24 buckets of a minute each; a bucket is made anew when its minute comes round again."""

from __future__ import annotations

from typing import Any

from _svc import crunch, page, spread

KIND = "bounded"
SPAN = "POST /usage"
REQUESTS_PER_SECOND = 5
DURATION_S = 4500
BUCKETS = 24

usage: dict[str, list[tuple[int, Any] | None]] = {}


def count(tenant: str, i: int, now: float) -> None:
    minute = int(now // 60)
    buckets = usage.setdefault(tenant, [None] * BUCKETS)
    slot = buckets[minute % BUCKETS]
    if slot is None or slot[0] != minute:
        slot = buckets[minute % BUCKETS] = (minute, {"calls": 0, "sample": page(i, 7000)})
    slot[1]["calls"] += 1


def setup() -> None:
    usage.clear()


def request(i: int, now: float) -> None:
    count(f"tenant-{int(110 * (spread(i) / 0x100000000) ** 1.5)}", i, now)
    crunch(i)


def teardown() -> None:
    usage.clear()
