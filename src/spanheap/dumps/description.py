"""The comments of a dump: what a pile of bytes does not say by itself.

One `key=value` a line. The two lists at the end are what joins a dump with traces: the oldest active traces
and those with most live bytes, with names and ages.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from spanheap import _core, memory_limit, process
from spanheap.spans.store import active_spans
from spanheap.version import __version__

if TYPE_CHECKING:
    from spanheap.detection.verdict import LeakVerdict

TOP_TRACES = 10
VERDICTS = 5
_RESOURCE_KEYS = ("service.name", "service.namespace", "service.version", "service.instance.id", "k8s.pod.name")


def environment_resource() -> dict[str, str]:
    """For a process without an SDK: what it would have read from the environment."""
    attributes = {}
    for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, found, value = pair.partition("=")
        if found:
            attributes[key.strip()] = unquote(value.strip())
    if name := os.environ.get("OTEL_SERVICE_NAME"):
        attributes["service.name"] = name
    return attributes


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def _of_resource(resource: dict[str, Any]) -> list[tuple[str, object]]:
    known = resource or environment_resource()
    return [(key, known[key]) for key in _RESOURCE_KEYS if known.get(key)]


def fixed_lines(resource: dict[str, Any]) -> list[str]:
    """What can be said of a dump before it is written."""
    facts = [
        *_of_resource(resource),
        ("process.pid", os.getpid()),
        ("sampling", f"poisson over bytes, values unsampled, hook {_core.hook_mode()}"),
        ("attribution", "off" if _core.attribution() == _core.ATTRIBUTION_OFF else "on"),
        ("spanheap.version", __version__),
    ]
    return [f"{key}={_one_line(value)}" for key, value in facts]


def lines(capture: _core.Capture, resource: dict[str, Any], reason: str, mode: str, more: Sequence[str] = ()) -> list[str]:
    """The lines, in the order in which a reader wants them; `more` comes after them."""
    now = time.time_ns()
    live_bytes, live_objects, allocated_bytes, _, samples = capture.sums
    memory = process.memory()
    limit = memory_limit.tightest(memory_limit.find())
    facts = [
        *_of_resource(resource),
        ("reason", reason),
        ("time", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(capture.time))),
        ("process.pid", os.getpid()),
        ("rss_bytes", memory.resident if memory else "unknown"),
        *((("limit_bytes", limit.limit.bytes), ("limit_used_bytes", limit.bytes)) if limit else ()),
        ("live_bytes", round(live_bytes)),
        ("live_objects", round(live_objects)),
        ("allocated_bytes", round(allocated_bytes)),
        ("active_spans", capture.active_spans),
        ("samples", samples),
        ("sample_interval_bytes", round(capture.interval)),
        ("sampling", f"poisson over bytes, values unsampled, hook {mode}"),
        ("attribution", "off" if _core.attribution() == _core.ATTRIBUTION_OFF else "on"),
        ("spanheap.version", __version__),
    ]
    described = [f"{key}={_one_line(value)}" for key, value in facts]
    for i, span in enumerate(active_spans(TOP_TRACES), 1):
        described.append(
            f"oldest_active_trace.{i}={span.trace_id} age_s={span.age_s:.3f} "
            f"span_name={_one_line(span.name)!r} root_span_name={_one_line(span.root_name)!r}"
        )
    for i, (trace_id, live, count, name, root, start_ns, sampled) in enumerate(capture.top_traces(TOP_TRACES), 1):
        age = f"{(now - start_ns) / 1e9:.3f}" if start_ns else "unknown"   # of a sampled-out span
        described.append(
            f"top_live_trace.{i}={trace_id} live_bytes={live:.0f} samples={count} age_s={age} "
            f"span_name={_one_line(name)!r} root_span_name={_one_line(root)!r}{'' if sampled else ' sampled=false'}"
        )
    return [*described, *map(_one_line, more)]


def verdict_lines(verdicts: Sequence[LeakVerdict]) -> list[str]:
    """The first verdicts in fields, as JSON: what a reader of the dump makes sentences and tables of."""
    import json  # a dump's, not the service's, to pay for

    described = []
    for i, verdict in enumerate(verdicts[:VERDICTS], 1):
        frame = verdict.application_frame
        fields = {
            "kind": verdict.kind, "root_name": verdict.root_name, "span_name": verdict.span_name,
            "frame": list(frame) if frame else None, "live_bytes": _finite(verdict.live_bytes, 0),
            "growth_bytes_per_s": _finite(verdict.growth_bytes_per_s, 1),
            "share_of_growth": _finite(verdict.share_of_growth, 3), "confidence": _finite(verdict.confidence, 3),
            "time_to_limit_s": _finite(verdict.time_to_limit_s, 0), "since": _finite(verdict.since, 3),
            "holder": verdict.holder, "reason": verdict.reason, "trace_ids": verdict.trace_ids,
        }
        described.append(f"verdict.{i}={json.dumps(fields)}")
    return described


def _finite(value: float | None, digits: int) -> float | None:
    return round(value, digits) if value is not None and math.isfinite(value) else None
