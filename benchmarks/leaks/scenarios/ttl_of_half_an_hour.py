"""Tokens are cached for thirty minutes and swept every minute: it grows for half an hour, and then no more."""

from __future__ import annotations

from typing import Any

from _shop import record, work

KIND = "bounded"
SPAN = "POST /token"
REQUESTS_PER_SECOND = 1.5
DURATION_S = 8400
TTL_S = 1800

tokens: dict[int, tuple[float, dict[str, Any]]] = {}
_swept = 0.0


def setup() -> None:
    tokens.clear()


def request(i: int, now: float) -> None:
    global _swept
    tokens[i] = (now, record(i, 4000))
    if now - _swept >= 60:
        _swept = now
        for key in [key for key, (at, _) in tokens.items() if now - at > TTL_S]:
            del tokens[key]
    work(i)


def teardown() -> None:
    tokens.clear()
