"""What the session knows of spans."""

from __future__ import annotations

import time
from typing import NamedTuple

from spanheap import _core


class ActiveSpan(NamedTuple):
    """A span that has started and not ended."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    name: str
    root_name: str
    """Name of the local root: the endpoint."""
    age_s: float


class SpanStore:
    """`Session.spans`."""

    def active(self, n: int = 10) -> list[ActiveSpan]:
        """The n active spans that started first, oldest first."""
        if n < 0:
            raise ValueError(f"n must be at least 0, not {n}")
        now = time.time_ns()
        return [
            ActiveSpan(trace_id, span_id, name, root_name, (now - start_ns) / 1e9)
            for trace_id, span_id, name, root_name, start_ns in _core.active_spans(min(n, 0xFFFFFFFF))
        ]
