"""Pages come from a generator that is left suspended after the first, its buffer in its frame; cursors are kept by id.

Seen in search APIs that offer a "next page" token.
"""

from __future__ import annotations

from collections.abc import Iterator

from _shop import work

KIND = "leak"
SPAN = "GET /search"
SITE = "pages"
HOLDER = "open_cursors"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

open_cursors: dict[int, Iterator[int]] = {}


def pages(i: int) -> Iterator[int]:
    buffer = bytearray(3000 + i % 512)
    for page in range(3):
        yield len(buffer) + page


def setup() -> None:
    open_cursors.clear()


def request(i: int, now: float) -> None:
    cursor = open_cursors[i] = pages(i)
    next(cursor)
    work(i)
    if i % 2:   # half of the clients read on to the end
        for _ in open_cursors.pop(i):
            pass


def teardown() -> None:
    open_cursors.clear()
