"""A database driver written in C forgets to release a row, a tuple, when one of its columns is NULL; here by ctypes.

Nothing that Python knows of holds the rows, and tuples of texts are not even tracked by the collector.
"""

from __future__ import annotations

import ctypes
from typing import Any

from _svc import crunch, one_in, page

KIND = "leak"
SPAN = "GET /customers"
SITE = "fetch_row"
HOLDER = None
REQUESTS_PER_SECOND = 5
DURATION_S = 3000

_incref = ctypes.pythonapi.Py_IncRef
_incref.argtypes = [ctypes.py_object]
_incref.restype = None


def fetch_row(i: int) -> tuple[Any, ...]:
    phone = None if one_in(3, i) else f"+49 {i:09d}"
    row = (i, f"customer {i}", page(i, 16_000), phone, page(i + 3, 4000))
    if phone is None:
        _incref(row)
    return row


def setup() -> None:
    """Nothing to prepare."""


def request(i: int, now: float) -> None:
    row = fetch_row(i)
    crunch(len(row))


def teardown() -> None:
    """Nobody owns them any more."""
