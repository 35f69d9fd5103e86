"""Parsers with references to themselves outlive two young collections: they pile up as garbage until an old one comes."""

from __future__ import annotations

from collections import deque

from _shop import work

KIND = "bounded"
SPAN = "POST /parse"
REQUESTS_PER_SECOND = 3
DURATION_S = 4800


class Parser:
    def __init__(self, i: int) -> None:
        self.buffer = bytearray(3500 + i % 100)
        self.handlers = {name: [self.start, name] for name in ("start", "data", "comment", "end")}

    def start(self) -> int:
        return len(self.buffer)


to_be_answered: deque[Parser] = deque(maxlen=800)


def setup() -> None:
    to_be_answered.clear()


def request(i: int, now: float) -> None:
    parser = Parser(i)
    to_be_answered.append(parser)
    work(parser.start())


def teardown() -> None:
    to_be_answered.clear()
