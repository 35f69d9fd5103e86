"""A support chat's transcript is written to one StringIO for the life of the process: one buffer, grown by realloc."""

from __future__ import annotations

import io

from _load import text, work

KIND = "leak"
SPAN = "POST /chat"
SITE = "Transcript.add"
HOLDER = "transcript"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class Transcript:
    def __init__(self) -> None:
        self.out = io.StringIO()

    def add(self, line: str) -> None:
        self.out.write(line)
        self.out.read()   # from here on it is one buffer


transcript = Transcript()


def setup() -> None:
    transcript.out.getvalue()


def request(i: int, now: float) -> None:
    transcript.add(text(i, 1000))
    work(i)


def teardown() -> None:
    transcript.out = io.StringIO()
