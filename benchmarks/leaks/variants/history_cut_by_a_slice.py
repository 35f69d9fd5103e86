"""The last five thousand lines are kept: `del history[:-5000]` once a minute."""

from __future__ import annotations

from _load import text, work

KIND = "bounded"
SPAN = "GET /console"
REQUESTS_PER_SECOND = 4
DURATION_S = 5400

history: list[str] = []


def setup() -> None:
    history.clear()


def request(i: int, now: float) -> None:
    history.append(text(i, 2500))
    if i % 240 == 0:
        del history[:-5000]
    work(i)


def teardown() -> None:
    history.clear()
