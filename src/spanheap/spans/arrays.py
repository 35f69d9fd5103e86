"""Span records as a numpy array."""

from __future__ import annotations

import numpy as np

RECORD = np.dtype([
    ("trace_high", "<u8"), ("trace_low", "<u8"), ("span_id", "<u8"), ("parent_id", "<u8"),
    ("start_ns", "<i8"), ("duration_ns", "<i8"),
    ("name", "<u4"), ("thread", "<u2"), ("flags", "<u2"),
])   # sh_span_record of span_ring.h


def as_array(buffer: bytearray) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """The records in this buffer, which the array shares."""
    return np.frombuffer(buffer, RECORD)
