"""An audit trail is appended to one bytearray that is written out "when it is full", which nothing checks.

There is one live block of it at any time, moved by realloc.
"""

from __future__ import annotations

from _shop import work

KIND = "leak"
SPAN = "DELETE /items/{id}"
SITE = "append_audit"
HOLDER = "audit"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

audit = bytearray()


def append_audit(i: int, now: float) -> None:
    audit.extend(f"{now:.3f} delete item {i} by operator {i % 20}".encode().ljust(1200, b" "))


def setup() -> None:
    audit.clear()


def request(i: int, now: float) -> None:
    append_audit(i, now)
    work(i)


def teardown() -> None:
    audit.clear()
