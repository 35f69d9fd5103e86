"""Each request's durations go to a list of small ints, for a percentile that was never reset: only its own buffer grows."""

from __future__ import annotations

from _load import work

KIND = "leak"
SPAN = "GET /search"
SITE = "observe"
HOLDER = "durations"
REQUESTS_PER_SECOND = 5
DURATION_S = 3000

durations: list[int] = []


def observe(i: int) -> None:
    durations.extend((i + k) % 250 for k in range(200))


def setup() -> None:
    durations.clear()


def request(i: int, now: float) -> None:
    observe(i)
    work(i)


def teardown() -> None:
    durations.clear()
