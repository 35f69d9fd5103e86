"""An lru_cache with a bound; it is not full when the run ends."""

from __future__ import annotations

import functools
from typing import Any


@functools.lru_cache(maxsize=100_000)
def price(item: int) -> str:
    """Return what an item costs."""
    return f"{item} costs {item % 100}"


def handle(tracer: Any, number: int) -> None:
    """Answer a request."""
    with tracer.start_as_current_span("GET /prices/{item}"):
        price(number)
