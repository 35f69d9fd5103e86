"""A MemoryHandler with an enormous capacity and no target keeps all log records."""

from __future__ import annotations

import logging
import logging.handlers

from _load import text, work

KIND = "leak"
SPAN = "GET /audit"
SITE = "audit"
HOLDER = "buffer"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

handler = logging.handlers.MemoryHandler(10**9, flushLevel=100)
log = logging.getLogger("variants.audit")


def audit(i: int) -> None:
    log.warning("audit %s", text(i, 1200))


def setup() -> None:
    log.propagate = False
    log.addHandler(handler)


def request(i: int, now: float) -> None:
    audit(i)
    work(i)


def teardown() -> None:
    handler.buffer.clear()
