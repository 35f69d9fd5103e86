"""Parsed queries are remembered, and all forgotten when there are 5,000 (as re does with 512)."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "bounded"
SPAN = "POST /query"
REQUESTS_PER_SECOND = 5
DURATION_S = 5400

_MAX = 5000
_parsed: dict[int, Any] = {}


def parsed(i: int) -> Any:
    if len(_parsed) >= _MAX:
        _parsed.clear()
    _parsed[i] = parts(i, 2000)
    return _parsed[i]


def setup() -> None:
    _parsed.clear()


def request(i: int, now: float) -> None:
    parsed(i)
    work(i)


def teardown() -> None:
    _parsed.clear()
