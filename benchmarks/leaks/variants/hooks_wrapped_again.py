"""An instrumentation wraps a hook at each reload: the wrapper closes over the one before."""

from __future__ import annotations

from collections.abc import Callable

from _load import text, work

KIND = "leak"
SPAN = "POST /reload"
SITE = "wrap"
HOLDER = "on_error"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class Settings:
    on_error: Callable[[], None] = print


def wrap(i: int) -> None:
    before, name = Settings.on_error, text(i, 1500)

    def wrapper() -> None:
        before()
        print(name)

    Settings.on_error = wrapper


def setup() -> None:
    Settings.on_error = print


def request(i: int, now: float) -> None:
    wrap(i)
    work(i)


def teardown() -> None:
    Settings.on_error = print
