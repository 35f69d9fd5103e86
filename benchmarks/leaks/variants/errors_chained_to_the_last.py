"""Each error is raised from the one before it, which a module keeps: a chain of exceptions with their frames."""

from __future__ import annotations

from _load import parts, work

KIND = "leak"
SPAN = "POST /pay"
SITE = "pay"
HOLDER = "last_error"
REQUESTS_PER_SECOND = 3
DURATION_S = 3000

last_error: Exception | None = None


def pay(i: int) -> None:
    global last_error
    order = parts(i, 1500)
    try:
        raise ValueError(order["id"]) from last_error
    except ValueError as error:
        last_error = error


def setup() -> None:
    pass


def request(i: int, now: float) -> None:
    pay(i)
    work(i)


def teardown() -> None:
    pass
