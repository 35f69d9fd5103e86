"""A helper that is given the cache cuts it back to 4,000 entries."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "bounded"
SPAN = "GET /avatar"
REQUESTS_PER_SECOND = 4
DURATION_S = 5400

avatars: dict[int, Any] = {}


def trim(mapping: dict[int, Any], limit: int) -> None:
    while len(mapping) > limit:
        del mapping[next(iter(mapping))]


def setup() -> None:
    avatars.clear()


def request(i: int, now: float) -> None:
    avatars[i] = parts(i, 2500)
    trim(avatars, 4000)
    work(i)


def teardown() -> None:
    avatars.clear()
