"""What OpenTelemetry keeps to itself and spanheap reads all the same: no other module names it.

Supported are the API and the SDK from 1.27 on; `python -m tests.sdk` tests the oldest, a middle one and the latest, and
tests/sdk/test_shapes.py has a test for each name here. A name that is not as expected raises AttributeError or gives
None, and the caller goes without: by the public way where there is one, else with less in the reports and a warning.

Two more things are in no name. A SpanContext is a tuple of trace_id, span_id, is_remote, trace_flags and trace_state, in
this order since 1.0: the hook's tables are filled from its items, its properties cost more. And since 1.40 a span that
ends calls `_on_ending` of every processor: ours has it, for it cannot inherit it without importing the SDK.
"""

from __future__ import annotations

import sys
from collections import deque
from contextvars import ContextVar
from types import CodeType
from typing import Any, NamedTuple

# Where a Span and a ReadableSpan keep what their properties `context`, `parent`, `name`, `start_time`, `end_time` and
# `status` return; since 1.0. Read directly because a property takes 48 ns and a field 10, and a start and an end need ten
# (the target is 600 ns for both); a span of another make is asked for its properties.
SPAN_FIELDS = ("_context", "_parent", "_name", "_start_time", "_end_time", "_status")

# Where a Status keeps its code; since 1.0.
STATUS_CODE = "_status_code"

# None while a span is active; since 1.0. Read without running the SDK's code, while the heap is walked.
SPAN_END = "_end_time"

# Where a TraceState, which does not change, keeps its entries: the one that NamingSampler gives shares them. Since 1.0.
TRACE_STATE_ENTRIES = "_dict"


def runtime_context_variable() -> ContextVar[Any]:
    """The ContextVar that `opentelemetry.context.get_current()` reads. AttributeError: this runtime context has none.

    `context` holds a runtime context since 1.0, and makes it on import since 1.25. Which class it is of is for
    OTEL_PYTHON_CONTEXT to say; the default one, ContextVarsRuntimeContext, has kept the ContextVar there since 1.0.
    """
    from opentelemetry import context

    runtime: Any = context._RUNTIME_CONTEXT
    variable: ContextVar[Any] = runtime._current_context
    return variable


def span_key() -> str:
    """The key under which `opentelemetry.trace.set_span_in_context()` puts a span into a Context.

    Made at import and different in every process; it is always the same str, so the hook compares identities.
    """
    from opentelemetry.trace import propagation

    return propagation._SPAN_KEY


def start_span_code() -> CodeType | None:
    """The code of `Tracer.start_span`, in which a span is built; None unless the application has imported the SDK.

    The method is public; that all spans are built below it, those of `start_as_current_span` too, is not (since 1.0).
    """
    sdk = sys.modules.get("opentelemetry.sdk.trace")
    code = getattr(getattr(getattr(sdk, "Tracer", None), "start_span", None), "__code__", None)
    return code if isinstance(code, CodeType) else None


def span_types() -> tuple[type, ...]:
    """ReadableSpan, which Span derives from; () unless the application has imported the SDK."""
    cls = getattr(sys.modules.get("opentelemetry.sdk.trace"), "ReadableSpan", None)
    return (cls,) if isinstance(cls, type) else ()


def provider_type() -> type | None:
    """TracerProvider; None unless the application has imported the SDK."""
    cls = getattr(sys.modules.get("opentelemetry.sdk.trace"), "TracerProvider", None)
    return cls if isinstance(cls, type) else None


def provider_processors(provider: Any) -> Any | None:
    """Of a TracerProvider: what `add_span_processor` adds to, which its spans refer to as well. Since 1.0."""
    return getattr(provider, "_active_span_processor", None)


def span_processors(span: Any) -> Any | None:
    """Of a recording span: the processors of its provider, as an object that has `add_span_processor`, or None.

    A span does not know its provider; this is as near to it as one comes. Since 1.0.
    """
    processors = getattr(span, "_span_processor", None)
    return processors if callable(getattr(processors, "add_span_processor", None)) else None


def members(processors: Any) -> tuple[Any, ...]:
    """The processors in such an object, none if they cannot be told. Nothing public lists them; since 1.0."""
    return tuple(getattr(processors, "_span_processors", ()))


class BatchQueue(NamedTuple):
    """Where a BatchSpanProcessor keeps ended spans until they are exported."""

    spans: deque[Any]
    """The same object for the life of the processor, in forked children too (they clear it)."""
    capacity: int
    """At which the oldest span is dropped for a new one."""
    batch: int
    """At which the exporting thread is woken before its time."""


def batch_queue(processor: Any) -> BatchQueue | None:
    """The queue of a BatchSpanProcessor; None: it is none, or keeps its spans elsewhere.

    In the processor itself until 1.33, since then in the BatchProcessor that it shares with logs.
    """
    inner = getattr(processor, "_batch_processor", processor)   # before 1.34 that of logs has these names itself
    spans, batch = getattr(inner, "_queue", None), getattr(inner, "_max_export_batch_size", None)
    if spans is None:
        spans, batch = getattr(processor, "queue", None), getattr(processor, "max_export_batch_size", None)
    if not isinstance(spans, deque) or not spans.maxlen or not isinstance(batch, int):
        return None
    return BatchQueue(spans, spans.maxlen, batch)


def export_queue(processor: Any) -> tuple[list[Any], int] | None:
    """Of a BatchSpanProcessor: the spans that wait for their export or are in the batch that is being exported, as a copy,
    and how many more may be in that batch. None: it is no such processor.

    Until 1.33 the processor has all of it in public fields, and `spans_list` is the batch. Since 1.34 it has a
    `_batch_processor` with `_queue`; the batch is a local variable then, but `_export_lock` is held while there is one.
    """
    inner = getattr(processor, "_batch_processor", None)
    queue = getattr(inner, "_queue", None)
    if isinstance(queue, deque):
        waiting = list(queue)   # in C, so that no other thread changes it meanwhile
        # Only then: what leaves the queue after this was copied, what left before is still locked, or done with.
        busy = inner._export_lock.locked()   # type: ignore[union-attr]
        return waiting, inner._max_export_batch_size if busy else 0   # type: ignore[union-attr]
    queue, batch = getattr(processor, "queue", None), getattr(processor, "spans_list", None)
    if isinstance(queue, deque) and isinstance(batch, list):
        return list(queue) + list(batch), 0
    return None


def fields(processor: Any) -> tuple[Any, ...]:
    """What a processor has as fields: others that it hands spans on to may be among them."""
    return tuple(getattr(processor, "__dict__", {}).values())


def system_metrics() -> frozenset[str]:
    """The metrics that opentelemetry-instrumentation-system-metrics makes in this process; none where it is not at work.

    Its instrumentor is one object, made when it is asked for first. Uninstrumenting takes nothing back, so what tells is
    whether it has ever got a meter; what it was asked for is in `_config`. All of it since before 0.48b0.
    """
    module = sys.modules.get("opentelemetry.instrumentation.system_metrics")
    instrumentor = getattr(getattr(module, "SystemMetricsInstrumentor", None), "_instance", None)
    if getattr(instrumentor, "_meter", None) is None:
        return frozenset()
    return frozenset(getattr(instrumentor, "_config", None) or ())


def global_logger_provider() -> Any | None:
    """The LoggerProvider that was set for the process; None: none was, or what was set takes nothing.

    Asked without importing the logs API: who sets one has. What the API returns instead are a ProxyLoggerProvider and a
    NoOpLoggerProvider, which it does not export; since before 1.27.
    """
    logs = sys.modules.get("opentelemetry._logs")
    provider = logs.get_logger_provider() if logs is not None else None
    return None if type(provider).__name__ in ("ProxyLoggerProvider", "NoOpLoggerProvider", "NoneType") else provider


def takes_logs(provider: Any) -> bool:
    """Whether a LoggerProvider hands logs on to anybody: the SDK's does not without processors, nor where OTEL_SDK_DISABLED
    was set when it was made. Both since before 1.27."""
    if getattr(provider, "_disabled", False):
        return False
    return log_processors(provider) != ()


# ---------------------------------------------------------------- how the application set the SDK up: `spanheap doctor`
#
# Asked once, off the request path. None is "it cannot be told with this SDK", never "there is none".


def loaded_type(module: str, name: str) -> type | None:
    """This public class; None unless the application has imported its module."""
    cls = getattr(sys.modules.get(module), name, None)
    return cls if isinstance(cls, type) else None


def log_processors(provider: Any) -> tuple[Any, ...] | None:
    """Of a LoggerProvider: its processors. Since 1.15."""
    processors = getattr(getattr(provider, "_multi_log_record_processor", None), "_log_record_processors", None)
    return tuple(processors) if isinstance(processors, (tuple, list)) else None


def trace_processors(provider: Any) -> tuple[Any, ...] | None:
    """Of a TracerProvider: its processors. Since 1.0."""
    processors = getattr(provider_processors(provider), "_span_processors", None)
    return tuple(processors) if isinstance(processors, (tuple, list)) else None


def exporter_of(processor: Any) -> Any | None:
    """What a processor exports to: `span_exporter` of those of spans, public; for logs there are private names alone, in
    the processor itself, or, in those that batch since 1.33, in what does it."""
    for holder in (processor, getattr(processor, "_batch_processor", None)):
        for name in ("span_exporter", "_exporter"):
            if (exporter := getattr(holder, name, None)) is not None:
                return exporter
    return None


def span_limits(provider: Any) -> Any | None:
    """Of a TracerProvider: its SpanLimits, the fields of which are public. Since 1.2."""
    return getattr(provider, "_span_limits", None)


def tracer_scope(tracer: Any) -> Any | None:
    """Its InstrumentationScope. Since 1.11."""
    return getattr(tracer, "_instrumentation_scope", None)


def kept_tracers(provider: Any) -> tuple[Any, ...] | None:
    """The Tracers that a provider keeps for good, since 1.40 or so; before, each is its caller's, and this is None."""
    tracers = getattr(provider, "_tracers", None)
    return tuple(tracers.copy().values()) if isinstance(tracers, dict) else None


def metric_readers(provider: Any) -> tuple[Any, ...] | None:
    """Of a MeterProvider: those it was made with and those added since. Since 1.12."""
    storages = getattr(getattr(provider, "_measurement_consumer", None), "_reader_storages", None)
    return tuple(storages.copy()) if isinstance(storages, dict) else None


def meters(provider: Any) -> tuple[Any, ...] | None:
    """Of a MeterProvider: the Meters it keeps; for good. Since 1.12."""
    found = getattr(provider, "_meters", None)
    return tuple(found.copy().values()) if isinstance(found, dict) else None


def instruments(meter: Any) -> tuple[Any, ...] | None:
    """Of a Meter: the instruments it keeps; for good. Since 1.16."""
    found = getattr(meter, "_instrument_id_instrument", None)
    return tuple(found.copy().values()) if isinstance(found, dict) else None


def callbacks(instrument: Any) -> tuple[Any, ...] | None:
    """Of an observable instrument. Since 1.12."""
    found = getattr(instrument, "_callbacks", None)
    return tuple(found) if isinstance(found, list) else None


def attribute_sets(provider: Any) -> dict[Any, tuple[int, Any]] | None:
    """Of a MeterProvider: for each instrument that has measured, the sets of attributes that are kept apart (the most of
    any reader and view), and one of what is kept for them. Since 1.15."""
    storages = getattr(getattr(provider, "_measurement_consumer", None), "_reader_storages", None)
    if not isinstance(storages, dict):
        return None
    found: dict[Any, tuple[int, Any]] = {}
    for storage in storages.copy().values():
        matches = getattr(storage, "_instrument_view_instrument_matches", None)
        if not isinstance(matches, dict):
            return None
        for instrument, views in matches.copy().items():
            for view in views:
                sets = getattr(view, "_attributes_aggregation", None)
                if not isinstance(sets, dict):
                    return None
                if len(sets) > found.get(instrument, (0, None))[0]:
                    found[instrument] = len(sets), next(iter(sets.copy().items()))
    return found


def kept_at_most(exporter: Any) -> int | None:
    """Of an InMemorySpanExporter: the spans it keeps at most (an argument since 1.44); None: it keeps them all."""
    return getattr(getattr(exporter, "_finished_spans", None), "maxlen", None)
