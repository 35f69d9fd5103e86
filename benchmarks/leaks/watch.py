"""What watches a scenario while it runs: the detector, or tracemalloc with the baselines and the truth."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.leaks.alarm import AlarmLog, Said, scenario_function, verdict_said
from benchmarks.leaks.baselines import BASELINES, traced_blocks
from spanheap import process

READ_EVERY_S = 10.0   # live bytes, as the detector of the story does
SPANS_WATCHED = 8     # one span in so many, by weak references: a census, not a burden


class DetectorWatch(AbstractContextManager["DetectorWatch"]):
    """spanheap, with its defaults but for the clock; dumps are off, since a benchmark has no use for them."""

    def __init__(self, scenario: Any, provider: Any, seed: int) -> None:
        self._file: Path = scenario.path
        self._provider = provider
        self._seed = seed
        self._log = AlarmLog()

    def __enter__(self) -> DetectorWatch:
        import spanheap

        self._session = spanheap.start(tick=None, tracer_provider=self._provider, seed=self._seed, dumps=None)
        self._leaks = getattr(self._session, "leaks", None)   # absent before the detector: said in the report
        return self

    def __exit__(self, *_: object) -> None:
        self._session.shutdown()

    def begin(self) -> None:
        self._before = self._session.snapshot()

    def at(self, now: float) -> None:
        self._session.tick(now)
        if self._leaks is not None:
            verdicts = self._leaks()
            self._log.observe(now, [verdict_said(verdict, self._file) for verdict in verdicts] if verdicts else ())

    def end(self) -> None:
        """What was kept in between, by function of the scenario and root span, as sampled: it checks SITE and SPAN."""
        self._sites: Counter[str] = Counter()
        self._roots: Counter[str] = Counter()
        for row in self._session.snapshot(collect=gc.isenabled()).diff(self._before).rows:
            self._sites[scenario_function(row.stack, self._file) or ""] += round(row.live_bytes)
            self._roots[row.root_span_name] += round(row.live_bytes)

    def result(self) -> dict[str, Any]:
        return {
            "grown_sites": self._sites.most_common(3), "grown_roots": self._roots.most_common(3),
            "detector": self._leaks is not None,
            "alarms": [alarm.to_json() for alarm in self._log.alarms],
            "alarms_dropped": self._log.dropped,
        }


class TraceWatch(AbstractContextManager["TraceWatch"]):
    """The curve of live bytes, which spans stay alive, and what the baselines say."""

    def __init__(self, scenario: Any, provider: Any, seed: int) -> None:
        self._baselines = {name: kind(scenario.path) for name, kind in BASELINES.items()}
        self._logs = {name: AlarmLog() for name in self._baselines}
        self._duration = scenario.duration_s
        self._curve: list[tuple[float, int]] = []
        self._spans = SpanCensus()
        provider.add_span_processor(self._spans)

    def __enter__(self) -> TraceWatch:
        # What the imports took is not traced, which would make each snapshot dear; the resident set stands for it.
        memory = process.memory()
        self._before_tracing = memory.resident if memory else 0
        tracemalloc.start(1)
        return self

    def __exit__(self, *_: object) -> None:
        tracemalloc.stop()

    def begin(self) -> None:
        self._curve.append((0.0, self._live()))
        self._python_bytes = _python_bytes()

    def at(self, now: float) -> None:
        if now % READ_EVERY_S:
            return
        live = self._live()
        self._curve.append((now, live))
        for name, baseline in self._baselines.items():
            said: list[Said] = baseline.at(now, live)
            self._logs[name].observe(now, said)

    def end(self) -> None:
        # A service that has switched the collector off keeps its cycles: they are the leak.
        if gc.isenabled():
            gc.collect()
        self._curve.append((self._duration, self._live()))
        self._python_bytes = _python_bytes() - self._python_bytes

    def _live(self) -> int:
        return self._before_tracing + tracemalloc.get_traced_memory()[0]

    def result(self) -> dict[str, Any]:
        return {
            "curve": self._curve,
            "python_growth": self._python_bytes,
            "retained": self._spans.alive(ended=True),
            "unended": self._spans.alive(ended=False),
            "baselines": {name: [alarm.to_json() for alarm in log.alarms] for name, log in self._logs.items()},
        }


def _python_bytes() -> int:
    """Live bytes from Python's own allocators: without what extensions announce as theirs, such as numpy's data."""
    return sum(size for domain, size, _ in traced_blocks() if domain == 0)


class SpanCensus:
    """A span processor that keeps count of the spans that are still alive, by name, through weak references.

    An ended span lives on as itself or as the readable copy that exporters are given: either is the span kept.
    """

    def __init__(self) -> None:
        self._spans: weakref.WeakSet[Any] = weakref.WeakSet()
        self._readable: weakref.WeakSet[Any] = weakref.WeakSet()

    def on_start(self, span: Any, parent_context: object = None) -> None:
        if span.context.span_id % SPANS_WATCHED == 0:
            self._spans.add(span)

    def _on_ending(self, span: Any) -> None:
        pass

    def on_end(self, span: Any) -> None:
        if span.context.span_id % SPANS_WATCHED == 0:
            self._readable.add(span)

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True

    def alive(self, *, ended: bool) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for spans in (self._spans, self._readable) if ended else (self._spans,):
            counts |= Counter(span.name for span in spans if (span.end_time is not None) == ended)
        return {name: count * SPANS_WATCHED for name, count in counts.items()}


WATCHES = {"profile": DetectorWatch, "trace": TraceWatch}
