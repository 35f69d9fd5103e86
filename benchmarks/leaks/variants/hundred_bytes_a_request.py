"""A metric's exemplar, 100 bytes a request: seven MiB an hour of many small objects."""

from __future__ import annotations

from _load import text, work

KIND = "leak"
SPAN = "GET /ping"
SITE = "exemplar"
HOLDER = "exemplars"
REQUESTS_PER_SECOND = 15
DURATION_S = 5400

exemplars: list[tuple[float, str]] = []


def exemplar(i: int) -> None:
    exemplars.append((i * 0.1, text(i, 40)))


def setup() -> None:
    exemplars.clear()


def request(i: int, now: float) -> None:
    exemplar(i)
    if i % 5 == 0:
        work(i)


def teardown() -> None:
    exemplars.clear()
