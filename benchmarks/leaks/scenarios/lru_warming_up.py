"""An lru_cache over a catalogue asked for by popularity: it fills ever more slowly, and levels off below its maxsize."""

from __future__ import annotations

import functools
import random
from typing import Any

from _shop import record, work

KIND = "bounded"
SPAN = "GET /articles/{id}"
REQUESTS_PER_SECOND = 3
DURATION_S = 4800
ARTICLES = 1800


@functools.lru_cache(maxsize=4096)
def article(number: int) -> dict[str, Any]:
    return record(number, 6000)


def setup() -> None:
    article.cache_clear()


def request(i: int, now: float) -> None:
    article(int(ARTICLES * random.random() ** 1.4))
    work(i)


def teardown() -> None:
    article.cache_clear()
