"""What the debug server tells as JSON: names, counts, sizes, ids and times; never a value of the service's."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
import time
from typing import TYPE_CHECKING, Any

from spanheap import memory_limit, process
from spanheap.detection.verdict import LeakVerdict
from spanheap.snapshot import Frame
from spanheap.spans.record import SpanFlags, SpanRecord
from spanheap.version import __version__

if TYPE_CHECKING:
    from spanheap.session import Session


def who(session: Session) -> dict[str, Any]:
    """The process."""
    resource = session._profiler.resource()
    return {
        "pid": os.getpid(),
        "program": os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else sys.executable or "python"),
        "service": str(resource.get("service.name", "")) or os.environ.get("OTEL_SERVICE_NAME", ""),
        "python": platform.python_version(),
        "spanheap": __version__,
        "profiled_s": time.monotonic() - session._profiler.started,
        "time": time.time(),
    }


def memory() -> dict[str, Any]:
    """limit_bytes: 0 where there is none."""
    resident = process.memory()
    tightest = memory_limit.tightest(memory_limit.find())
    return {
        "rss_bytes": resident.resident if resident else 0,
        "limit_bytes": tightest.limit.bytes if tightest else 0,
        "limit_used": tightest.fraction if tightest else None,
    }


def stats(session: Session) -> dict[str, Any]:
    return {"process": who(session), "memory": memory(), "spans": session.spans.counts()._asdict(),
            "profiler": dataclasses.asdict(session.stats())}


def leaks(session: Session) -> dict[str, Any]:
    return {"process": who(session), "leaks": [verdict(found) for found in session.leaks()]}


def verdict(found: LeakVerdict) -> dict[str, Any]:
    return {
        "kind": found.kind, "text": str(found), "reason": found.reason, "at": frame(found.application_frame),
        "stack": [frame(f) for f in found.site.stack] if found.site else [],
        "span_name": found.span_name, "root_name": found.root_name, "trace_ids": found.trace_ids,
        "live_bytes": found.live_bytes, "growth_bytes_per_s": found.growth_bytes_per_s,
        "share_of_growth": found.share_of_growth, "confidence": found.confidence,
        "time_to_limit_s": found.time_to_limit_s, "holder": found.holder, "since": found.since,
    }


def frame(of: Frame | None) -> dict[str, Any] | None:
    return of._asdict() if of is not None else None


def spans(session: Session, n: int) -> dict[str, Any]:
    store = session.spans
    return {
        "process": who(session),
        "active": [span._asdict() for span in store.active(n)],
        "recent": [record(span) for span in reversed(store.recent(n))],
        "retained": [span._asdict() for span in store.retained()[:n]],
        "unended": [span._asdict() for span in store.unended()[:n]],
        "names": [row._asdict() for row in store.by_name()[:n]],
        "counts": store.counts()._asdict(),
    }


def trace(session: Session, trace_id: str) -> dict[str, Any]:
    """Raises ValueError for what is no trace id."""
    found = session.spans.get(trace_id)
    return {"trace_id": trace_id, "active": [span._asdict() for span in found.active],
            "ended": [record(span) for span in found.ended]}


def record(span: SpanRecord) -> dict[str, Any]:
    flags = SpanFlags(span.flags)
    return {
        "trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}",
        "parent_id": f"{span.parent_id:016x}" if span.parent_id else "", "name": span.name, "start_ns": span.start_ns,
        "duration_ns": span.duration_ns, "error": SpanFlags.ERROR in flags, "root": SpanFlags.ROOT in flags,
        "sampled": SpanFlags.SAMPLED in flags,
    }


def top(session: Session, n: int) -> dict[str, Any]:
    """What `spanheap top` shows: one look."""
    snapshot = session.snapshot()
    lines = [
        {"line": usage.name, "live_bytes": usage.live_bytes, "live_objects": usage.live_objects,
         "allocated_bytes": usage.allocated_bytes, "samples": usage.samples, "relative_error": usage.relative_error,
         "span_name": usage.span_names[0] if usage.span_names else "",
         "root_name": usage.root_names[0] if usage.root_names else ""}
        for usage in snapshot.by_line()[:n] if usage.samples
    ]
    roots = [{"root_name": usage.name, "live_bytes": usage.live_bytes, "samples": usage.samples}
             for usage in snapshot.by_root_name()[:n] if usage.samples]
    counts, totals = session.spans.counts(), session.spans.retained_totals()
    return {
        "format": "spanheap.top/1",
        "process": who(session),
        "memory": memory(),
        "heap": {"live_bytes": snapshot.live_bytes, "live_objects": snapshot.live_objects,
                 "allocated_bytes": snapshot.allocated_bytes, "samples": snapshot.samples,
                 "sample_interval": snapshot.sample_interval},
        "lines": lines,
        "roots": roots,
        "leaks": [verdict(found) for found in session.leaks()[:n]],
        "active_spans": [span._asdict() for span in session.spans.active(min(n, 10))],
        "spans": {"active": sum(row.active for row in session.spans.by_name()), "ended": counts.produced,
                  "retained": totals.retained_spans, "retained_bytes": totals.retained_bytes,
                  "unended": totals.unended_spans},
    }
