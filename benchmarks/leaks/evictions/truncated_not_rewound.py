"""A shard's buffer is emptied with truncate(0) and not rewound: the next write fills all that was ever written with
zeros. The writer even remembers where the new data starts. Seen wherever a BytesIO is used again."""

from __future__ import annotations

import io
import zlib

from _data import blob, churn, mix

KIND = "leak"
SPAN = "archive.append"
SITE = "append"
HOLDER = "_buffer"
REQUESTS_PER_SECOND = 5
DURATION_S = 3600


class ShardWriter:
    FLUSH_S = 20.0

    def __init__(self, number: int) -> None:
        self.number = number
        self._buffer = io.BytesIO()
        self._start = 0
        self._flushed_at = 0.0
        self.checksum = 0

    def append(self, record: bytes, now: float) -> None:
        self._buffer.write(len(record).to_bytes(4, "big"))
        self._buffer.write(record)
        if now - self._flushed_at >= self.FLUSH_S:
            self._flushed_at = now
            self.flush()

    def flush(self) -> None:
        with self._buffer.getbuffer() as view:
            self.checksum = zlib.crc32(view[self._start:], self.checksum)
        self._buffer.truncate(0)
        self._start = self._buffer.tell()


class Archive:
    SHARDS = 48

    def __init__(self) -> None:
        self.shards = [ShardWriter(number) for number in range(self.SHARDS)]

    def append(self, key: int, record: bytes, now: float) -> None:
        self.shards[key % self.SHARDS].append(record, now)


archive: Archive


def setup() -> None:
    global archive
    archive = Archive()


def request(i: int, now: float) -> None:
    archive.append(mix(i), blob(i, 5000), now)
    churn(i)


def teardown() -> None:
    del globals()["archive"]
