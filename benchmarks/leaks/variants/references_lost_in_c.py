"""An extension takes a reference too many of each answer: nothing that Python knows of holds it."""

from __future__ import annotations

import ctypes

from _load import parts, work

KIND = "leak"
SPAN = "POST /render"
SITE = "render"
HOLDER = None
REQUESTS_PER_SECOND = 5
DURATION_S = 3600

_take = ctypes.pythonapi.Py_IncRef
_take.argtypes = [ctypes.py_object]


def render(i: int) -> None:
    _take(parts(i, 1800))


def setup() -> None:
    pass


def request(i: int, now: float) -> None:
    render(i)
    work(i)


def teardown() -> None:
    pass
