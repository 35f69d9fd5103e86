"""Three tables gather columns in chunks and are written after 7, 13 and 31 minutes: a saw of three rhythms."""

from __future__ import annotations

from typing import Any

import numpy as np
from _svc import crunch

KIND = "bounded"
SPAN = "POST /ingest"
REQUIRES = ["numpy>=1.23"]
REQUESTS_PER_SECOND = 3
DURATION_S = 6000


class Table:
    def __init__(self, flush_every_s: float) -> None:
        self.flush_every_s = flush_every_s
        self.flushed_at = 0.0
        self.chunks: list[Any] = []
        self.rows = 0

    def append(self, i: int, now: float) -> None:
        if now - self.flushed_at >= self.flush_every_s:
            self.flushed_at += self.flush_every_s
            self.rows += sum(len(chunk) for chunk in self.chunks)
            self.chunks = []
        self.chunks.append(np.full(900, i, dtype=np.int64))


tables: list[Table] = []


def setup() -> None:
    tables[:] = [Table(420), Table(780), Table(1860)]


def request(i: int, now: float) -> None:
    for table in tables:
        table.append(i, now)
    crunch(i)


def teardown() -> None:
    tables.clear()
