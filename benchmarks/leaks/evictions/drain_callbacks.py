"""Each batch asks to be flushed should the service shut down: a callback on one future that lives as long as the
process. Batches are flushed long before, and their callbacks stay. Seen with asyncio's and grpc's shutdown futures."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from _data import churn, message

KIND = "leak"
SPAN = "sink.write"
SITE = "begin"
HOLDER = "_done_callbacks"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600


class Sink:
    def __init__(self) -> None:
        self.flushed = 0

    def write(self, rows: list[dict[str, Any]]) -> None:
        self.flushed += len(rows)


class Batcher:
    SIZE = 5

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.draining: Future[None] = Future()
        self._rows: list[dict[str, Any]] | None = None
        self._flush: Callable[[], None] | None = None

    def begin(self, raw: str) -> None:
        row = json.loads(raw)
        if self._rows is not None:
            self._rows.append(row)
            return
        rows = [row]
        flushed = False

        def flush(_: object = None) -> None:
            nonlocal flushed
            if not flushed:
                flushed = True
                self._sink.write(rows)

        self.draining.add_done_callback(flush)
        self._rows, self._flush = rows, flush

    def add(self, raw: str) -> None:
        self.begin(raw)
        assert self._rows is not None
        assert self._flush is not None
        if len(self._rows) >= self.SIZE:
            self._flush()
            self._rows = self._flush = None


batcher: Batcher


def setup() -> None:
    global batcher
    batcher = Batcher(Sink())


def request(i: int, now: float) -> None:
    batcher.add(message(i, 3600))
    churn(i)


def teardown() -> None:
    del globals()["batcher"]
