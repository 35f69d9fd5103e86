"""One line makes all rendered pages; most go with their request, one in a hundred stays with a preview nobody closes."""

from __future__ import annotations

from _shop import work

KIND = "leak"
SPAN = "GET /pages/{id}"
SITE = "render"
HOLDER = "previews"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

recent: list[bytes] = []
previews: dict[int, bytes] = {}


def render(i: int) -> bytes:
    return f"<html>{i}".encode().ljust(60_000 + i % 1000, b" ")


def setup() -> None:
    recent.clear()
    previews.clear()


def request(i: int, now: float) -> None:
    page = render(i)
    recent.append(page)
    if len(recent) > 100:
        del recent[:50]
    if i % 100 == 42:
        previews[i] = page
    work(i)


def teardown() -> None:
    setup()
