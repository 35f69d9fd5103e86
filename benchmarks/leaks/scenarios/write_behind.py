"""Events are gathered and written out every ten minutes, in one go: a saw with long, even teeth."""

from __future__ import annotations

from typing import Any

from _shop import record, work

KIND = "bounded"
SPAN = "POST /events"
REQUESTS_PER_SECOND = 3
DURATION_S = 4800

events: list[dict[str, Any]] = []
_written = 0.0


def setup() -> None:
    events.clear()


def request(i: int, now: float) -> None:
    global _written
    events.append(record(i, 6000))
    if now - _written >= 600:
        _written = now
        events.clear()
    work(i)


def teardown() -> None:
    events.clear()
