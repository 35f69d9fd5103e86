"""What grew between two dumps, as text for people and as a document for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from spanheap.dumps.reader import Dump
from spanheap.report import words
from spanheap.report.headline import error, stands_out
from spanheap.report.words import printable
from spanheap.snapshot import HeapSnapshot, SpanUsage

ROWS = 10


def text(old: Dump, new: Dump) -> str:
    """What `spanheap diff` prints."""
    return "\n".join(_lines(old, new))


def _lines(old: Dump, new: Dump) -> Iterator[str]:
    growth, seconds = new.diff(old), _seconds(old, new)
    yield f"{printable(str(old.path))}  {words.date(old.time)}  {words.size(old.live_bytes)} live{_rss(old)}"
    yield f"{printable(str(new.path))}  {words.date(new.time)}  {words.size(new.live_bytes)} live{_rss(new)}"
    if seconds > 0:
        amount, often = words.rate(growth.live_bytes / seconds)
        yield f"Live memory: {_signed(growth.live_bytes)} within {words.duration(seconds)}, or {amount} {often}"
    else:
        yield (f"Live memory: {_signed(growth.live_bytes)}. {printable(str(old.path))} is not the earlier one, so no rate "
               "can be told: are the two the wrong way round?")
    theirs, ours = old.metadata.get("process.pid"), new.metadata.get("process.pid")
    if theirs and ours and theirs != ours:
        yield f"These are two processes, {printable(theirs)} and {printable(ours)}: the difference is no growth of a heap."
    for title, usages in _views(growth):
        changed = [usage for usage in usages if usage.live_bytes]
        shown = [usage for usage in changed if stands_out(usage)][:ROWS]
        yield f"\n{title}"
        if not shown:
            yield "  nothing grew by more than the chance of sampling explains"
        for usage in shown:
            per = "  ".join(words.rate(usage.live_bytes / seconds)) if seconds > 0 else ""
            yield f"  {_signed(usage.live_bytes):>11}{error(usage):<7}{per:<24} {printable(usage.name)}"
        shrunk = [usage for usage in changed if usage.live_bytes < 0]
        if shrunk:
            yield f"  {_signed(sum(usage.live_bytes for usage in shrunk)):>11}        of {len(shrunk):,} that shrank"


def document(old: Dump, new: Dump) -> dict[str, Any]:
    """What `spanheap diff --json` prints: names and units stay. Sizes in bytes, times in seconds since the epoch."""
    growth, seconds = new.diff(old), _seconds(old, new)
    return {
        "format": "spanheap.diff/1",
        "old": _heap(old), "new": _heap(new), "seconds": seconds,
        "live_bytes": growth.live_bytes, "live_objects": growth.live_objects, "allocated_bytes": growth.allocated_bytes,
        "by_line": [_usage(usage, seconds) for usage in growth.by_line()],
        "by_root_name": [_usage(usage, seconds) for usage in growth.by_root_name()],
        "by_span_name": [_usage(usage, seconds) for usage in growth.by_span_name()],
    }


def _views(growth: HeapSnapshot) -> list[tuple[str, Sequence[SpanUsage]]]:
    return [("By line", growth.by_line()), ("By endpoint (root span)", growth.by_root_name()),
            ("By span name", growth.by_span_name())]


def _heap(dump: Dump) -> dict[str, Any]:
    return {"path": str(dump.path), "time": dump.time, "live_bytes": dump.live_bytes, "live_objects": dump.live_objects,
            "rss_bytes": dump.rss_bytes, "samples": dump.samples, "service": dump.metadata.get("service.name", ""),
            "pid": dump.metadata.get("process.pid", "")}


def _usage(usage: SpanUsage, seconds: float) -> dict[str, Any]:
    known = math.isfinite(usage.variance)
    return {
        "name": usage.name, "live_bytes": usage.live_bytes, "live_objects": usage.live_objects,
        "allocated_bytes": usage.allocated_bytes, "samples": usage.samples,
        "standard_error_bytes": math.sqrt(usage.variance) if known else None, "stands_out": stands_out(usage),
        "bytes_per_s": usage.live_bytes / seconds if seconds > 0 else None,
        "root_names": usage.root_names[:5], "span_names": usage.span_names[:5], "trace_ids": usage.trace_ids[:5],
    }


def _seconds(old: Dump, new: Dump) -> float:
    return max(0.0, new.time - old.time) if old.time > 0 else 0.0


def _signed(size: float) -> str:
    return f"{'+' if size > 0 else ''}{words.size(size)}"


def _rss(dump: Dump) -> str:
    return f", {words.size(dump.rss_bytes)} resident" if dump.rss_bytes > 0 else ""
