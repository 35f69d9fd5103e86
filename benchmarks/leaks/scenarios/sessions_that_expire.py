"""Sessions slide: each visit renews its fifteen minutes. Regular visitors stay all day, others are swept."""

from __future__ import annotations

import random
from typing import Any

from _shop import record, work

KIND = "bounded"
SPAN = "GET /me"
REQUESTS_PER_SECOND = 3
DURATION_S = 5400
TTL_S = 900

sessions: dict[int, list[Any]] = {}
_swept = 0.0


def setup() -> None:
    sessions.clear()


def request(i: int, now: float) -> None:
    global _swept
    visitor = random.randrange(200) if i % 2 else 1000 + i
    session = sessions.get(visitor)
    if session is None:
        session = sessions[visitor] = [now, record(visitor, 7000)]
    session[0] = now
    if now - _swept >= 60:
        _swept = now
        for key in [key for key, (seen, _) in sessions.items() if now - seen > TTL_S]:
            del sessions[key]
    work(i)


def teardown() -> None:
    sessions.clear()
