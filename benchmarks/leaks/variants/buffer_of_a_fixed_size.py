"""A log buffer grows to 16 MiB within forty minutes and is then written from its start again."""

from __future__ import annotations

from _load import text, work

KIND = "bounded"
SPAN = "PUT /log"
REQUESTS_PER_SECOND = 4
DURATION_S = 6000

LIMIT = 16 * 1024 * 1024
log = bytearray()


def setup() -> None:
    log.clear()


def request(i: int, now: float) -> None:
    log.extend(text(i, 1700).encode())
    if len(log) > LIMIT:
        log.clear()
    work(i)


def teardown() -> None:
    log.clear()
