"""The instruments; docs/metrics.md lists them with unit, kind and attributes.

Callbacks run on the reader's thread. Instruments cannot be taken back, so they are made once a meter provider and
report nothing while no session runs.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spanheap import _core, process
from spanheap.running import current
from spanheap.spans import watch
from spanheap.spans.retained import RetainedSpans, UnendedSpans
from spanheap.version import __version__

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
# Span names are the service's and may be many; a metric is not the place for all of them.
MAX_ROOT_NAMES = 20
MAX_LABEL_VALUES = 20   # of each key, likewise
MAX_SPAN_NAMES = 20
# Several instruments of one collection share one pass over the samples.
_READING_S = 0.5

_attached: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
_label_keys: tuple[str, ...] = ()


class _Reading:
    """The sums, read at most once per collection."""

    def __init__(self) -> None:
        self._at = 0.0
        self._sums: tuple[float, float, float, float, int] = (0.0, 0.0, 0.0, 0.0, 0)
        self._allocated = 0.0

    def sums(self) -> tuple[float, float, float, float, int]:
        now = time.monotonic()
        if now - self._at > _READING_S:
            self._sums, self._at = _core.sums(), now
        return self._sums

    def allocated(self) -> float:
        """As a counter: it never falls, while doubling the interval re-estimates the past and may lower the sum."""
        self._allocated = max(self._allocated, self.sums()[2])
        return self._allocated


def _cpu_s() -> float:
    session = current()
    return session.stats().cpu_s if session else 0.0


def _predecessor_deaths() -> Iterable[tuple[float, dict[str, str]]]:
    session = current()
    by_kind: dict[str, int] = {}
    for death in session.predecessor_deaths if session else []:
        by_kind[death.kind] = by_kind.get(death.kind, 0) + 1
    return [(count, {"spanheap.death.kind": kind}) for kind, count in by_kind.items()] or [(0, {})]


def _dumps() -> Iterable[tuple[float, dict[str, str]]]:
    session = current()
    counts = session._dumps.counts.copy() if session is not None and session._dumps is not None else {}
    return [
        (number, {"spanheap.dump.outcome": outcome, "spanheap.dump.reason": reason})
        for (outcome, reason), number in counts.items()
    ] or [(0, {})]


def _records_by_state() -> Iterable[tuple[float, dict[str, str]]]:
    session = current()
    if session is not None:
        counts = session.spans.counts()
        for state in ("retained", "overwritten", "expired", "dropped", "in_flight"):   # together: all that ended
            yield getattr(counts, state), {"spanheap.span.state": state}


def _by_name(rows: Iterable[RetainedSpans | UnendedSpans]) -> Iterable[tuple[float, dict[str, str]]]:
    """Spans by name, the most first; past MAX_SPAN_NAMES the rest is one."""
    spans: dict[str, float] = {}
    for row in rows:
        spans[row.name] = spans.get(row.name, 0.0) + row.spans
    most = sorted(spans.items(), key=lambda item: (item[0] == "<other>", -item[1]))
    shown = most if len(most) <= MAX_SPAN_NAMES else most[: MAX_SPAN_NAMES - 1]
    rest = sum(number for _, number in most[len(shown) :])
    for name, number in shown + ([("<other>", rest)] if rest else []):
        yield round(number), {"spanheap.span.name": name}


def _system_metrics_active() -> bool:
    """The instrumentation that reports the process's own memory already."""
    return "opentelemetry.instrumentation.system_metrics" in sys.modules


def _live_by_label() -> Iterable[tuple[float, dict[str, str]]]:
    sets = _core.live_by_labels() if _label_keys else []
    for key in _label_keys:
        by_value: dict[str, float] = {}
        for labels, live_bytes in sets:
            if key in labels:
                by_value[labels[key]] = by_value.get(labels[key], 0.0) + live_bytes
        largest = sorted(by_value.items(), key=lambda item: (item[0] == "<other>", -item[1]))
        shown = largest if len(largest) <= MAX_LABEL_VALUES else largest[: MAX_LABEL_VALUES - 1]
        rest = sum(size for _, size in largest[len(shown) :])
        for value, size in shown + ([("<other>", rest)] if rest else []):
            yield round(size), {"spanheap.label.key": key, "spanheap.label.value": value}


def attach(provider: Any | None, label_metrics: Sequence[str] = ()) -> None:
    """Make the instruments at this meter provider, or the global one. The keys given last hold for all."""
    global _label_keys
    _label_keys = tuple(label_metrics)
    from opentelemetry import metrics

    if provider is None:
        provider = metrics.get_meter_provider()
    if provider in _attached:
        return
    meter = provider.get_meter("spanheap", __version__, schema_url=SCHEMA_URL)
    _attached[provider] = True
    reading = _Reading()
    Observation = metrics.Observation

    def callback(values: Callable[[], Iterable[tuple[float, dict[str, str]]]]) -> list[Any]:
        def observe(_options: Any) -> list[metrics.Observation]:
            if not _core.running():
                return []
            with _core.Muted():
                return [Observation(value, attributes) for value, attributes in values()]

        return [observe]

    def one(value: Callable[[], float]) -> list[Any]:
        return callback(lambda: [(value(), {})])

    def resident() -> list[tuple[float, dict[str, str]]]:
        memory = process.memory()
        return [] if memory is None or _system_metrics_active() else [(memory.resident, {})]

    def live_by_root() -> list[tuple[float, dict[str, str]]]:
        return [(round(size), {"spanheap.root_span.name": name}) for name, size in _core.live_by_root(MAX_ROOT_NAMES)]

    meter.create_observable_up_down_counter(
        "process.memory.usage", callback(resident), "By", "The amount of physical memory in use."
    )
    meter.create_observable_gauge(
        "spanheap.heap.live", one(lambda: round(reading.sums()[0])), "By", "Live Python heap, estimated from samples."
    )
    meter.create_observable_gauge(
        "spanheap.heap.live_objects", one(lambda: round(reading.sums()[1])), "{object}", "Live objects, estimated."
    )
    meter.create_observable_gauge(
        "spanheap.heap.live_by_root", callback(live_by_root), "By",
        f"Live Python heap by local root span, the {MAX_ROOT_NAMES - 1} largest and <other>.",
    )
    meter.create_observable_gauge(
        "spanheap.heap.live_by_label", callback(_live_by_label), "By",
        f"Live Python heap by label, for the keys asked for; of each the {MAX_LABEL_VALUES - 1} largest values and <other>.",
    )
    meter.create_observable_counter(
        "spanheap.heap.allocated", one(lambda: round(reading.allocated())), "By", "Bytes allocated, estimated."
    )
    meter.create_observable_gauge(
        "spanheap.process.arenas", one(lambda: _core.counters()["arena_bytes"]), "By",
        "Arenas that pymalloc has taken since the session started, and has.",
    )
    meter.create_observable_gauge(
        "spanheap.span.active", one(lambda: _core.counters()["spans_active"]), "{span}", "Started and not ended."
    )
    meter.create_observable_up_down_counter(
        "spanheap.span.records", callback(_records_by_state), "{span}",
        "Spans that ended since the session started, by what became of their records.",
    )
    meter.create_observable_gauge(
        "spanheap.span.retained", one(lambda: round(watch.totals().retained_spans)), "{span}",
        "Ended, but referred to by something other than an export queue, estimated.",
    )
    meter.create_observable_gauge(
        "spanheap.span.retained_memory", one(lambda: round(watch.totals().retained_bytes)), "By",
        "What would be freed with the retained spans, estimated.",
    )
    meter.create_observable_gauge(
        "spanheap.span.retained_by_name", callback(lambda: _by_name(watch.retained_at_last_tick())), "{span}",
        f"Retained spans by name, the {MAX_SPAN_NAMES - 1} most frequent and <other>.",
    )
    meter.create_observable_gauge(
        "spanheap.span.unended", one(lambda: round(watch.totals().unended_spans)), "{span}",
        "Started a minute ago and not ended, estimated.",
    )
    meter.create_observable_gauge(
        "spanheap.span.unended_memory", one(lambda: round(watch.totals().unended_bytes)), "By",
        "What would be freed with the unended spans, estimated.",
    )
    meter.create_observable_gauge(
        "spanheap.span.unended_by_name", callback(lambda: _by_name(watch.unended_at_last_tick())), "{span}",
        f"Unended spans by name, the {MAX_SPAN_NAMES - 1} most frequent and <other>.",
    )
    meter.create_observable_counter(
        "spanheap.sample.count", one(lambda: _core.counters()["samples"]), "{sample}", "Allocations sampled."
    )
    meter.create_observable_gauge(
        "spanheap.profiler.memory", one(lambda: _core.counters()["memory_bytes"]), "By", "spanheap's own tables."
    )
    meter.create_observable_counter(
        "spanheap.recorder.predecessor_deaths", callback(_predecessor_deaths), "{death}",
        "Earlier processes of the same recorder path that did not end cleanly, found at start.",
    )
    meter.create_observable_counter(
        "spanheap.dump.count", callback(_dumps), "{dump}", "Automatic dumps that were wanted, by what became of them.",
    )
    meter.create_observable_counter(
        "spanheap.profiler.cpu.time", one(_cpu_s), "s", "CPU time of taking samples and of the tick thread."
    )
