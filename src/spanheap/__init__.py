"""spanheap: which request is holding my memory?

A sampled heap profiler for services traced with OpenTelemetry:

    import spanheap

    with spanheap.profile() as session:
        serve()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spanheap.interpreter import require_supported

require_supported()

from spanheap._core import SpanRing  # noqa: E402
from spanheap.detection.policy import LeakPolicy  # noqa: E402
from spanheap.detection.verdict import LeakVerdict  # noqa: E402
from spanheap.dumps.policy import DumpPolicy  # noqa: E402
from spanheap.errors import CorruptFile, DumpError, SpanheapError, UnsupportedInterpreter  # noqa: E402
from spanheap.running import current  # noqa: E402
from spanheap.session import Session  # noqa: E402
from spanheap.snapshot import Frame, HeapSnapshot, Site, SpanUsage  # noqa: E402
from spanheap.spans.counts import SpanCounts  # noqa: E402
from spanheap.spans.labels import labels  # noqa: E402
from spanheap.spans.record import SpanFlags, SpanRecord  # noqa: E402
from spanheap.spans.retained import RetainedSpans, RetainedTotals, UnendedSpans  # noqa: E402
from spanheap.spans.store import ActiveSpan, SpanNameCounts, SpanStore, TraceSpans  # noqa: E402
from spanheap.starting import profile, start  # noqa: E402
from spanheap.stats import Stats  # noqa: E402
from spanheap.version import __version__  # noqa: E402

if TYPE_CHECKING:
    from spanheap import otlp
    from spanheap.dumps.reader import Dump, open_dump
    from spanheap.instrumentation.instrumentor import SpanheapInstrumentor
    from spanheap.retention.holders import Holder
    from spanheap.server.policy import DebugServer
    from spanheap.spans.sampler import NamingSampler
    from spanheap.throttle.processor import MemoryThrottledSpanProcessor


def __getattr__(name: str) -> Any:
    """Imported when asked for: not what every service does, and two of these need the SDK, one opentelemetry-proto."""
    if name in ("Dump", "open_dump"):
        from spanheap.dumps import reader

        return getattr(reader, name)
    if name == "DebugServer":
        from spanheap.server.policy import DebugServer

        return DebugServer
    if name == "Holder":
        from spanheap.retention.holders import Holder

        return Holder
    if name == "otlp":
        import importlib

        return importlib.import_module("spanheap.otlp")
    if name == "NamingSampler":
        from spanheap.spans.sampler import NamingSampler

        return NamingSampler
    if name == "SpanheapInstrumentor":
        from spanheap.instrumentation.instrumentor import SpanheapInstrumentor

        return SpanheapInstrumentor
    if name == "MemoryThrottledSpanProcessor":
        from spanheap.throttle.processor import MemoryThrottledSpanProcessor

        return MemoryThrottledSpanProcessor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ActiveSpan",
    "CorruptFile",
    "DebugServer",
    "Dump",
    "DumpError",
    "DumpPolicy",
    "Frame",
    "HeapSnapshot",
    "Holder",
    "LeakPolicy",
    "LeakVerdict",
    "MemoryThrottledSpanProcessor",
    "NamingSampler",
    "RetainedSpans",
    "RetainedTotals",
    "Session",
    "Site",
    "SpanCounts",
    "SpanFlags",
    "SpanNameCounts",
    "SpanRecord",
    "SpanRing",
    "SpanStore",
    "SpanUsage",
    "SpanheapError",
    "SpanheapInstrumentor",
    "Stats",
    "TraceSpans",
    "UnendedSpans",
    "UnsupportedInterpreter",
    "__version__",
    "current",
    "labels",
    "open_dump",
    "otlp",
    "profile",
    "start",
]
