"""A cache without a bound of its own, of 80 items: nearly all are met in the first half of the run."""

from __future__ import annotations

import random
from typing import Any

_items: dict[int, str] = {}
_choice = random.Random(1)


def handle(tracer: Any, number: int) -> None:
    """Answer a request."""
    item = _choice.randrange(80)
    with tracer.start_as_current_span("GET /items/{id}"):
        if item not in _items:
            _items[item] = f"item {item}"
