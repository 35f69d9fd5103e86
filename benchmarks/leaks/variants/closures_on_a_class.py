"""After-request hooks are closures on a class attribute, registered a request instead of once."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from _load import text, work

KIND = "leak"
SPAN = "PATCH /profile"
SITE = "register"
HOLDER = "Hooks.after"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class Hooks:
    after: ClassVar[list[Callable[[], int]]] = []


def register(i: int) -> None:
    body = text(i, 1800)

    def hook() -> int:
        return len(body)

    Hooks.after.append(hook)


def setup() -> None:
    Hooks.after.clear()


def request(i: int, now: float) -> None:
    register(i)
    work(i)


def teardown() -> None:
    Hooks.after.clear()
