"""Login attempts are remembered without end, under traffic in waves and large cyclic garbage between collections."""

from __future__ import annotations

from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "POST /login"
SITE = "remember_attempt"
HOLDER = "attempts"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

attempts: dict[str, list[dict[str, Any]]] = {}


def traffic(t: float) -> float:
    return 0.2 + 1.6 * (t % 600) / 600


def remember_attempt(i: int) -> None:
    attempts.setdefault(f"address-{i % 3000}", []).append(record(i, 1500))


def check_password(i: int) -> int:
    ring: list[Any] = [bytearray(15_000)]
    ring.append(ring)
    return len(ring[0])


def setup() -> None:
    attempts.clear()


def request(i: int, now: float) -> None:
    check_password(i)
    remember_attempt(i)
    work(i)


def teardown() -> None:
    attempts.clear()
