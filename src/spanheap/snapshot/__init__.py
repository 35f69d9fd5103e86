"""Heap snapshots: what was live at one moment, and the views of it.

Pure Python without dependencies: a snapshot of this process and one read from a dump are the same thing here.
"""

from __future__ import annotations

from spanheap.snapshot.application import application_frame
from spanheap.snapshot.heap_snapshot import HeapSnapshot
from spanheap.snapshot.row import NO_SPAN, Frame, Row, Totals
from spanheap.snapshot.usage import Site, SpanUsage

__all__ = ["NO_SPAN", "Frame", "HeapSnapshot", "Row", "Site", "SpanUsage", "Totals", "application_frame"]
