"""A handler keeps the exception in a local name, which makes a cycle of frame and traceback: garbage until a collection."""

from __future__ import annotations

from _svc import blob, crunch, one_in

KIND = "bounded"
SPAN = "POST /validate"
REQUESTS_PER_SECOND = 5
DURATION_S = 3600


def validate(i: int) -> Exception | None:
    document = blob(i, 90_000)
    failure = None
    try:
        if not one_in(3, i):
            raise ValueError(f"document {i} of {len(document)} bytes does not match its schema")
    except ValueError as error:
        failure = error
    return failure


def setup() -> None:
    """Nothing to prepare."""


def request(i: int, now: float) -> None:
    failure = validate(i)
    crunch(i)
    if failure is not None and i % 1000 == 0:
        raise failure


def teardown() -> None:
    """Nothing is kept."""
