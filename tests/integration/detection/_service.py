"""A service with a leak, and the same with a bound: real objects, real spans, virtual time."""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from typing import Any

# Of our own: what `ctypes.pythonapi` hands out is shared with all others.
_take = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("Py_IncRef", ctypes.pythonapi))
_give_back = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(("Py_DecRef", ctypes.pythonapi))

unbounded_orders: dict[int, bytes] = {}
recent: OrderedDict[int, bytes] = OrderedDict()
spans_by_order: dict[int, Any] = {}
uploads: dict[int, bytearray] = {}
lost: list[int] = []


def leak(i: int, size: int = 20_000) -> None:
    unbounded_orders[i] = bytes(size)


def remember(i: int) -> None:
    recent[i] = bytes(20_000)
    if len(recent) > 500:
        recent.popitem(last=False)


def upload(i: int) -> None:
    """One in three hundred stalls, and is forgotten."""
    stalls = i % 300 == 50
    uploads[i] = bytearray(600_000 if stalls else 60_000)
    if not stalls:
        del uploads[i]


def lose(i: int) -> None:
    """As an extension does that takes a reference too many: of an object that the collector does not know."""
    frame = bytearray(4_000)
    _take(frame)
    lost.append(id(frame))


def forget() -> None:
    """What a test does at its end."""
    for address in lost:
        _give_back(address)
    for name in ("unbounded_orders", "recent", "spans_by_order", "uploads", "lost"):
        globals()[name] = type(globals()[name])()
