"""An upload that stalls, one in a thousand, leaves its buffer in the table of uploads in progress."""

from __future__ import annotations

from _shop import work

KIND = "leak"
SPAN = "PUT /uploads/{id}"
SITE = "buffer_upload"
HOLDER = "in_progress"
REQUESTS_PER_SECOND = 5
DURATION_S = 5000

in_progress: dict[int, bytearray] = {}


def buffer_upload(i: int) -> bytearray:
    return bytearray(450_000 if i % 1000 == 500 else 20_000)


def setup() -> None:
    in_progress.clear()


def request(i: int, now: float) -> None:
    in_progress[i] = buffer_upload(i)
    work(i)
    if i % 1000 != 500:
        del in_progress[i]


def teardown() -> None:
    in_progress.clear()
