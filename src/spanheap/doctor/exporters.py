"""How ended spans and log records leave the process, or do not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from spanheap import _core
from spanheap.doctor.finding import CannotTell, Finding, size
from spanheap.doctor.setup import Setup
from spanheap.spans import sdk

SPAN_BYTES = 3000
"""Of an ended span with few attributes; measured: 2.7 to 3.1 KB. Where there is none to be measured."""
_EXPORT_S = 10    # the default timeout of the OTLP exporters, retries included
_MEASURED = 64


def mean_bytes(items: list[Any]) -> int:
    """Of these spans or records: what would be freed with one, on the average of some; 0 if there are none."""
    some = items[:: max(len(items) // _MEASURED, 1)][:_MEASURED]
    return round(sum(_core.owned_size(item) for item in some) / len(some)) if some else 0


def to_expect(items: list[Any]) -> int:
    """Of one more of them: what two holders share counts for neither, and would be too little to reckon with."""
    return max(mean_bytes(items), SPAN_BYTES)


def wanted_off(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() == "none" or \
        os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def simple_processor(setup: Setup) -> Iterator[Finding]:
    """The thread that ends a span exports it."""
    for signal, processors, batch in (
        ("span", setup.span_processors(), "BatchSpanProcessor"),
        ("log record", setup.log_processors(), "BatchLogRecordProcessor"),
    ):
        for processor in processors:
            if type(processor).__name__ not in ("SimpleSpanProcessor", "SimpleLogRecordProcessor"):
                continue
            exporter = sdk.exporter_of(processor)
            if exporter is None:
                raise CannotTell(f"what a {type(processor).__name__} exports to")
            if _is_in_memory(exporter):   # told by the other check: its remedy takes both away
                continue
            yield Finding(
                "simple-processor",
                f"{type(processor).__name__} exports each {signal} to {type(exporter).__name__} on the thread that ends it.",
                setup.where(processor),
                f"A request ends only when its {signal}s are exported, and keeps all it has allocated until then: for up to "
                f"{_EXPORT_S} s a {signal} where the receiver does not answer, times the requests that arrive meanwhile.",
                None,
                f"{batch}({type(exporter).__name__}(…)): a thread of its own exports, and the queue is bounded.",
            )


def _is_in_memory(exporter: Any) -> bool:
    return type(exporter).__name__.startswith("InMemory")


def _contents(exporter: Any) -> list[Any] | None:
    """What it has kept, by its public method."""
    for method in ("get_finished_spans", "get_finished_logs"):
        if (get := getattr(exporter, method, None)) is not None:
            return list(get())
    return None


def in_memory_exporter(setup: Setup) -> Iterator[Finding]:
    """Made for tests: it keeps everything."""
    seen: set[int] = set()
    for processor in (*setup.span_processors(), *setup.log_processors()):
        exporter = sdk.exporter_of(processor)
        if exporter is None or not _is_in_memory(exporter) or id(exporter) in seen or sdk.kept_at_most(exporter) is not None:
            continue
        seen.add(id(exporter))
        kept = _contents(exporter)
        if kept is None:
            raise CannotTell(f"what a {type(exporter).__name__} keeps")
        kind = "log records" if "Log" in type(exporter).__name__ else "spans"
        held, each = len(kept) * mean_bytes(kept), to_expect(kept)
        so_far = f"{len(kept):,} so far, {size(held)}" if kept else "none so far"
        yield Finding(
            "in-memory-exporter",
            f"{type(exporter).__name__} keeps all {kind} that are exported: {so_far}.",
            setup.where(exporter),
            f"It is never emptied, so memory grows with the traffic: at {size(each)} each, {size(each * 1e6)} for a million "
            f"{kind}.",
            held,
            "Export over OTLP (opentelemetry-exporter-otlp), or keep what is needed of ended spans in "
            "spanheap.SpanRing(capacity, ttl=…); in tests, clear() it after each.",
        )


def no_processor(setup: Setup) -> Iterator[Finding]:
    """Spans are made for nobody."""
    if wanted_off("OTEL_TRACES_EXPORTER"):
        return
    for provider in setup.tracers:
        processors = sdk.trace_processors(provider)
        if processors is None:
            raise CannotTell("which span processors a TracerProvider has")
        if not processors:   # ours alone is enough: memory is told by spans then, which is what they are for
            yield Finding(
                "no-processor",
                "The TracerProvider has no span processor: its spans go nowhere.",
                setup.where(provider),
                f"Every span is made in full, some {size(SPAN_BYTES)} and 10 µs, and then thrown away.",
                None,
                "provider.add_span_processor(BatchSpanProcessor(exporter)), or no TracerProvider at all "
                "(OTEL_SDK_DISABLED=true).",
            )


def several_providers(setup: Setup) -> Iterator[Finding]:
    """Each has queues and threads of its own, and is kept until its shutdown()."""
    for name, providers in (("TracerProvider", setup.tracers), ("MeterProvider", setup.meters),
                            ("LoggerProvider", setup.loggers)):
        shut_down = setup.births.shut_down if setup.births is not None else set()
        open_ = [p for p in providers if id(p) not in shut_down]
        if len(open_) < 2:
            continue
        queues = [q for p in open_ for m in sdk.members(sdk.provider_processors(p)) if (q := sdk.batch_queue(m)) is not None]
        held = sum(q.capacity for q in queues) * SPAN_BYTES
        can_hold = f" Their queues ({len(queues)}) can hold {size(held)} of spans together." if held else ""
        places = sorted({place for p in open_ if setup.births is not None and (place := setup.births.where(p))})
        more = f", … ({len(places)} places)" if len(places) > 3 else ""
        yield Finding(
            "several-providers",
            f"{len(open_):,} {name}s are in use at the same time.",
            f"opentelemetry.sdk, {name}, {', '.join(places[:3])}{more}" if places else setup.where(open_[-1]),
            f"Each has processors or readers with their threads, and the interpreter keeps each of them until its "
            f"shutdown(): made per request or per worker task, they are a leak.{can_hold}",
            held or None,
            f"Make one {name} when the process starts, set it as the global one, and get everything from that; call "
            f"shutdown() on one that is not needed any more.",
        )


CHECKS = (
    ("simple-processor", simple_processor), ("in-memory-exporter", in_memory_exporter), ("no-processor", no_processor),
    ("several-providers", several_providers),
)
