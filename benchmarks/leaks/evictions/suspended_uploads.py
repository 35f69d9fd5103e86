"""Each upload is a generator that collects parts until the last; of an upload that is broken off it stays suspended.
The sweep closes generators that have finished, which are gone already."""

from __future__ import annotations

import inspect
from collections.abc import Generator

from _data import churn, mix, text

KIND = "leak"
SPAN = "PUT /uploads"
SITE = "reassemble"
HOLDER = "_open"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

PART = 5000


def reassemble(upload: int) -> Generator[None, str | None, bytes]:
    parts: list[bytes] = []
    while True:
        encoded = yield
        if encoded is None:
            break
        parts.append(bytes.fromhex(encoded))
    return b"".join(parts)


class Uploads:
    def __init__(self) -> None:
        self._open: dict[int, Generator[None, str | None, bytes]] = {}
        self.completed = 0
        self.stored_bytes = 0
        self._next_sweep = 60.0

    def begin(self, upload: int) -> None:
        collector = reassemble(upload)
        next(collector)
        self._open[upload] = collector

    def part(self, upload: int, encoded: str | None) -> None:
        try:
            self._open[upload].send(encoded)
        except StopIteration as stop:
            self.completed += 1
            self.stored_bytes += len(stop.value)
            del self._open[upload]

    def sweep(self, now: float) -> None:
        if now < self._next_sweep:
            return
        self._next_sweep = now + 60
        for upload, collector in list(self._open.items()):
            if inspect.getgeneratorstate(collector) == inspect.GEN_CLOSED:
                del self._open[upload]


uploads: Uploads


def hex_part(i: int) -> str:
    return text(i, 32).replace("-", "0").replace("|", "f")[:16] * (PART * 2 // 16)


def setup() -> None:
    global uploads
    uploads = Uploads()


def request(i: int, now: float) -> None:
    uploads.begin(i)
    sent = 3 if mix(i) % 5 == 0 else 6
    for k in range(sent):
        uploads.part(i, hex_part(i * 6 + k))
    if sent == 6:
        uploads.part(i, None)
    uploads.sweep(now)
    churn(i)


def teardown() -> None:
    del globals()["uploads"]
