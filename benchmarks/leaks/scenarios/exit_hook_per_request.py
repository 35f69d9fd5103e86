"""atexit.register in request code, with the temporary document to clean up as an argument: run once, at the very end."""

from __future__ import annotations

import atexit
from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "POST /convert"
SITE = "Converter.__init__"
HOLDER = None
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


class Converter:
    def __init__(self, i: int) -> None:
        self.document: dict[str, Any] = record(i, 2200)


def clean_up(converter: Converter) -> None:
    converter.document.clear()


def setup() -> None:
    """Nothing to prepare."""


def request(i: int, now: float) -> None:
    atexit.register(clean_up, Converter(i))
    work(i)


def teardown() -> None:
    atexit.unregister(clean_up)
