"""weakref.finalize gives a segment back when its reader is gone; the callback is a method of the segment, and the
segment knows its reader, so that the reader never goes. Seen in shared-memory and temp-file wrappers."""

from __future__ import annotations

import weakref
from collections import deque

from _data import blob, churn, mix

KIND = "leak"
SPAN = "segments.read"
SITE = "map_segment"
HOLDER = "_registry"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600


class Segment:
    def __init__(self, pool: Pool, number: int, data: bytearray) -> None:
        self.pool = pool
        self.number = number
        self.data = data
        self.reader: Reader | None = None

    def release(self) -> None:
        self.pool.released.append(self.number)
        self.data.clear()


class Reader:
    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.offset = 0
        segment.reader = self   # for the message of an overrun

    def read(self, size: int) -> bytes:
        start, self.offset = self.offset, self.offset + size
        return bytes(self.segment.data[start:self.offset])


class Pool:
    def __init__(self) -> None:
        self.released: deque[int] = deque(maxlen=100)
        self._number = 0

    def map_segment(self, content: bytes) -> Segment:
        self._number += 1
        return Segment(self, self._number, bytearray(content))

    def open(self, content: bytes) -> Reader:
        segment = self.map_segment(content)
        reader = Reader(segment)
        guard = weakref.finalize(reader, segment.release)
        guard.atexit = False
        return reader


pool: Pool


def setup() -> None:
    global pool
    pool = Pool()


def request(i: int, now: float) -> None:
    reader = pool.open(blob(i, 3000 + mix(i) % 3000))
    total = 0
    while chunk := reader.read(1024):
        total += len(chunk)
    churn(i)


def teardown() -> None:
    for guard in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        found = guard.peek()
        if found and isinstance(found[0], Reader):
            guard.detach()
    del globals()["pool"]
