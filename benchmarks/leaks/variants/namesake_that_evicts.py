"""Two classes have `entries`; the one evicts, the other leaks."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "POST /session"
SITE = "Sessions.open"
HOLDER = "Sessions.entries"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class Pages:
    def __init__(self) -> None:
        self.entries: dict[int, Any] = {}

    def put(self, i: int) -> None:
        self.entries[i] = parts(i, 600)
        while len(self.entries) > 100:
            del self.entries[next(iter(self.entries))]


class Sessions:
    def __init__(self) -> None:
        self.entries: dict[int, Any] = {}

    def open(self, i: int) -> None:
        self.entries[i] = parts(i, 1500)


pages, sessions = Pages(), Sessions()


def setup() -> None:
    sessions.entries.clear()


def request(i: int, now: float) -> None:
    pages.put(i)
    sessions.open(i)
    work(i)


def teardown() -> None:
    sessions.entries.clear()
