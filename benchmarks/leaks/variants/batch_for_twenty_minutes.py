"""Each hour a batch job gathers rows for twenty minutes in a local variable, writes them and drops them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from _load import parts, work

KIND = "bounded"
SPAN = "GET /status"
REQUESTS_PER_SECOND = 3
DURATION_S = 7200

def gather() -> Iterator[int]:
    rows: list[Any] = []
    while True:
        for _ in range(3600):
            rows.append(parts(len(rows), 2000))
            yield len(rows)
        rows = []
        for _ in range(7200):
            yield 0


job = gather()


def setup() -> None:
    global job
    job = gather()


def request(i: int, now: float) -> None:
    next(job)
    work(i)


def teardown() -> None:
    job.close()
