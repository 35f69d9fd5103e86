"""A mutable default argument collects what every call passes."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "POST /validate"
SITE = "validate"
HOLDER = "validate"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

def validate(i: int, problems: list[Any] = []) -> int:  # noqa: B006 - the leak
    problems.append(parts(i, 1500))
    return len(problems)


def setup() -> None:
    pass


def request(i: int, now: float) -> None:
    validate(i)
    work(i)


def teardown() -> None:
    pass
