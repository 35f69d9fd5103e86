"""A Counter by full URL, query string and all."""

from __future__ import annotations

from collections import Counter

from _load import text, work

KIND = "leak"
SPAN = "GET /static"
SITE = "count"
HOLDER = "hits"
REQUESTS_PER_SECOND = 8
DURATION_S = 3000

hits: Counter[str] = Counter()


def count(i: int) -> None:
    hits[text(i, 500)] += 1


def setup() -> None:
    hits.clear()


def request(i: int, now: float) -> None:
    count(i)
    work(i)


def teardown() -> None:
    hits.clear()
