"""Heap dumps: pprof files, annotated with spans."""

from __future__ import annotations

from spanheap.dumps.reader import Dump, open_dump

__all__ = ["Dump", "open_dump"]
