"""Each of 24 parsers keeps a scratch buffer as large as the largest document it has met; documents have a long tail.

Growth in steps that become rarer, up to the limit for documents. zlib streams, image decoders and JSON parsers do this.
"""

from __future__ import annotations

from _svc import crunch, spread

KIND = "bounded"
SPAN = "POST /parse"
REQUESTS_PER_SECOND = 5
DURATION_S = 4800
MAX_DOCUMENT = 600_000


class Parser:
    def __init__(self) -> None:
        self.scratch = bytearray(4096)

    def parse(self, size: int) -> int:
        if size > len(self.scratch):
            self.scratch = bytearray(size)
        return len(self.scratch)


parsers: list[Parser] = []


def document_size(i: int) -> int:
    return min(MAX_DOCUMENT, int(3000 / ((spread(i) + 1) / 0x100000000)))


def setup() -> None:
    parsers[:] = [Parser() for _ in range(24)]


def request(i: int, now: float) -> None:
    parsers[spread(i, 1) % 24].parse(document_size(i))
    crunch(i)


def teardown() -> None:
    parsers.clear()
