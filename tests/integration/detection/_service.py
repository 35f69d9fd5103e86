"""A service with a leak, and the same with a bound: real objects, real spans, virtual time."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

unbounded_orders: dict[int, bytes] = {}
recent: OrderedDict[int, bytes] = OrderedDict()
spans_by_order: dict[int, Any] = {}


def leak(i: int) -> None:
    unbounded_orders[i] = bytes(20_000)


def remember(i: int) -> None:
    recent[i] = bytes(20_000)
    if len(recent) > 500:
        recent.popitem(last=False)


def forget() -> None:
    """What a test does at its end."""
    for name in ("unbounded_orders", "recent", "spans_by_order"):
        globals()[name] = type(globals()[name])()
