"""Every request leaves a cycle with a large buffer to the collector: memory is a saw with teeth of its making."""

from __future__ import annotations

from _shop import work

KIND = "bounded"
SPAN = "POST /parse"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600


class Parser:
    def __init__(self, i: int) -> None:
        self.buffer = bytearray(4000 + i % 100)
        self.handlers = {"start": self.start, "end": self.end}

    def start(self) -> int:
        return len(self.buffer)

    def end(self) -> int:
        return 0


def setup() -> None:
    """Nothing to prepare."""


def request(i: int, now: float) -> None:
    parser = Parser(i)
    work(parser.handlers["start"]())


def teardown() -> None:
    """Nothing is kept."""
