"""A report is kept as bytes to which each request adds: a copy each time, so that its one block is always young."""

from __future__ import annotations

from _load import text, work

KIND = "leak"
SPAN = "POST /report"
SITE = "add_line"
HOLDER = "report"
REQUESTS_PER_SECOND = 1
DURATION_S = 2400

report: dict[str, bytes] = {"body": b""}


def add_line(i: int) -> None:
    report["body"] += text(i, 4500).encode()


def setup() -> None:
    report["body"] = b""


def request(i: int, now: float) -> None:
    add_line(i)
    work(i)


def teardown() -> None:
    report["body"] = b""
