"""An OrderedDict that was to be evicted in its order, and is not; spans lie two objects deep."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

_log: OrderedDict[int, tuple[int, dict[str, Any]]] = OrderedDict()


def handle(tracer: Any, number: int) -> None:
    """Answer a request."""
    with tracer.start_as_current_span("POST /payments") as span:
        pass
    _log[number] = (number, {"span": span})
