"""The tables below the graph: the same memory by endpoint, span name, line, trace, label and thread; holders; spans."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from spanheap.report import words
from spanheap.report.subject import Subject
from spanheap.snapshot import HeapSnapshot, SpanUsage

MOST_ROWS = 200    # of a table
MOST_LABELS = 8    # keys that get a table

View = Callable[[HeapSnapshot], Sequence[SpanUsage]]


def document(subject: Subject) -> list[dict[str, Any]]:
    """[{"id", "title", "kind": "usage" or "text", "head", "rows", "left_out"}], empty ones left out."""
    views: list[tuple[str, str, View]] = [
        ("root", "Endpoints", HeapSnapshot.by_root_name), ("span", "Span names", HeapSnapshot.by_span_name),
        ("line", "Lines", HeapSnapshot.by_line), ("trace", "Traces", HeapSnapshot.by_trace),
    ]
    keys = sorted({key for row in subject.heap.rows for key, _ in row.labels})
    views += [(f"label.{i}", words.cut(f"Label: {key}"), _by_label(key)) for i, key in enumerate(keys[:MOST_LABELS])]
    if any(row.thread for row in subject.heap.rows):
        views.append(("thread", "Threads", HeapSnapshot.by_thread))
    tables = [_usage(subject, *view) for view in views]
    tables += [_holders(subject), _active(subject), _ended(subject)]
    return [table for table in tables if table["rows"]]


def _by_label(key: str) -> View:
    return lambda heap: heap.by_label(key)


def _usage(subject: Subject, id: str, title: str, view: View) -> dict[str, Any]:
    growth = {usage.name: usage for usage in view(subject.growth)} if subject.growth is not None else {}
    usages = list(view(subject.heap))
    known = {usage.name for usage in usages}
    rows = [_row(usage.name, usage, growth.get(usage.name), id) for usage in usages]
    rows += [_row(name, None, usage, id) for name, usage in growth.items() if name not in known]   # all of it is gone
    if subject.is_recording:   # which has sums, of samples of unknown sizes
        rows = [[*row[:6], -1, row[7]] for row in rows]
    rows.sort(key=lambda row: -max(row[1], abs(row[2])))
    has_traces = id in ("root", "span", "line") and any(usage.trace_ids for usage in usages)
    return {
        "id": id, "title": title, "kind": "usage", "rows": rows[:MOST_ROWS], "left_out": max(0, len(rows) - MOST_ROWS),
        "head": [title.removesuffix("s") if not title.startswith("Label") else title.removeprefix("Label: "),
                 "Mostly for" if id in ("line", "trace") or id.startswith("label") else "A trace" if has_traces else ""],
    }


def _row(name: str, usage: SpanUsage | None, growth: SpanUsage | None, id: str) -> list[Any]:
    """name, live, growth, allocated, objects, samples, error in percent (-1: not known), detail"""
    shown = usage or growth
    assert shown is not None
    detail = shown.trace_ids[0] if shown.trace_ids else ""
    if id in ("line", "trace") or id.startswith("label"):
        detail = shown.root_names[0] if shown.root_names else ""
    error = usage.relative_error if usage is not None else math.inf
    return [
        words.cut(name), round(usage.live_bytes) if usage else 0, round(growth.live_bytes) if growth else 0,
        round(usage.allocated_bytes) if usage else 0, round(usage.live_objects) if usage else 0,
        usage.samples if usage else 0, round(error * 100, 1) if math.isfinite(error) else -1, words.cut(detail),
    ]


def _text(id: str, title: str, head: list[str], rows: list[list[str]]) -> dict[str, Any]:
    shown = [[words.cut(cell) for cell in row] for row in rows[:MOST_ROWS]]
    return {"id": id, "title": title, "kind": "text", "head": head, "rows": shown, "left_out": len(rows) - len(shown)}


def _holders(subject: Subject) -> dict[str, Any]:
    rows = [[v.holder, "", str(v.frame) if v.frame else v.span_name, f"verdict: {v.kind}"]
            for v in subject.verdicts if v.holder]
    rows += [[h.path, f"{h.share:.0%}" if h.share is not None else "", h.of, "largest site"] for h in subject.holders]
    return _text("holder", "Holders", ["Held by", "Share", "Allocated at", "Asked for"], rows)


def _active(subject: Subject) -> dict[str, Any]:
    spans = subject.recording.active if subject.recording is not None and subject.death is not None else []
    end = subject.death.time if subject.death is not None else 0.0
    rows = [[span.name, span.root_name, words.duration(end - span.start), span.trace_id, span.span_id] for span in spans]
    return _text("active", "Active spans", ["Span", "Endpoint", "Active for", "Trace", "Span id"], rows)


def _ended(subject: Subject) -> dict[str, Any]:
    recording, death = subject.recording, subject.death
    if recording is None or death is None:
        return _text("ended", "Ended spans", [], [])
    rows = [
        [span.name, f"{span.duration * 1e3:,.1f} ms",
         f"{words.duration(death.time - span.start - span.duration)} before the end", span.trace_id,
         "error" if span.flags & 2 else ""]
        for span in reversed(recording.ended[-MOST_ROWS:])
    ]
    return _text("ended", "Ended spans", ["Span", "Took", "Ended", "Trace", "Status"], rows)
