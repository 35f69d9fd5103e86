"""What a span processor adds to a span: ours beside none, one that does nothing, and BatchSpanProcessor.

    python -m benchmarks.processor [--rounds 600]

All in one run and in turns, in short samples: a machine that is shared slows down for seconds at a time. A span with five
attributes is started and ended by the SDK; times are CPU times of the thread that does so, less those of the same without
a processor. What BatchSpanProcessor does on its own thread comes on top of what is shown.
"""

from __future__ import annotations

import argparse
import statistics
import time

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

import spanheap
from benchmarks.conftest import PassingProcessor

SPANS = 50            # a sample: a millisecond or two, so that most are not interrupted
TARGET_NS = 600


class Discard(SpanExporter):
    """An exporter that costs nothing."""

    def export(self, spans: object) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def tracer_with(processor: SpanProcessor | None) -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    if processor is not None:
        provider.add_span_processor(processor)
    return provider.get_tracer("benchmark")


def sample(tracer: Tracer) -> float:
    """CPU ns a span."""
    start = time.thread_time_ns()
    for i in range(SPANS):
        span = tracer.start_span("GET /items")
        span.set_attribute("http.method", "GET")
        span.set_attribute("http.route", "/items")
        span.set_attribute("http.status_code", 200)
        span.set_attribute("tenant", "acme")
        span.set_attribute("item", i)
        span.end()
    return (time.thread_time_ns() - start) / SPANS


def measure(rounds: int) -> dict[str, list[float]]:
    """CPU ns a span of each, round by round."""
    batch = BatchSpanProcessor(Discard())
    kinds: dict[str, SpanProcessor | None] = {
        "none": None, "no-op in Python": PassingProcessor(), "spanheap": spanheap._core.SpanProcessor(),   # type: ignore[dict-item]
        "BatchSpanProcessor": batch,
    }
    tracers = {name: tracer_with(processor) for name, processor in kinds.items()}
    found: dict[str, list[float]] = {name: [] for name in kinds}
    with spanheap.profile(tick=None, sample_interval=1 << 40) as session:   # the hook's countdown runs beside all of them
        for tracer in tracers.values():
            sample(tracer)
        for turn in range(rounds):
            names = list(tracers)
            order = names[turn % len(names):] + names[: turn % len(names)]
            for name in order:
                found[name].append(sample(tracers[name]))
        ended, errors = session.stats().spans_ended, tracer_errors(kinds["spanheap"])
    batch.shutdown()
    assert ended == session.spans.counts().produced == SPANS * (rounds + 1) and errors == 0
    return found


def tracer_errors(processor: object) -> int:
    return int(processor.errors)   # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=600)
    found = measure(parser.parse_args().rounds)
    none = found.pop("none")
    print(f"{'ns a span (start + end)':32}{'median':>10}{'quiet':>10}   quiet: the rounds that were disturbed least")
    print(f"{'the span itself':32}{statistics.median(none):10.0f}{quiet(none):10.0f}")
    for name, values in found.items():
        paired = statistics.median(value - base for value, base in zip(values, none, strict=True))
        print(f"{name + ' adds':32}{paired:10.0f}{quiet(values) - quiet(none):10.0f}")
    met = quiet(found["spanheap"]) - quiet(none) <= TARGET_NS
    print(f"target: at most {TARGET_NS} ns added: {'met' if met else 'not met'} (quiet)")


def quiet(values: list[float]) -> float:
    """The fifth percentile: other work on the machine only ever adds."""
    return sorted(values)[len(values) // 20]


if __name__ == "__main__":
    main()
