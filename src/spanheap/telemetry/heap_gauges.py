"""The Python heap: estimates from samples, by endpoint and label, and what the leak detector says."""

from __future__ import annotations

from spanheap import _core
from spanheap.telemetry.instrument import OTHER, Instrument, Values, counter, gauge, largest, one
from spanheap.telemetry.reading import Reading

# Span names are the service's and may be many; a metric is not the place for all of them.
MAX_ROOT_NAMES = 20
MAX_LABEL_VALUES = 20   # of each key, likewise

ROOT_NAME = "spanheap.root_span.name"
LABEL_KEY = "spanheap.label.key"
LABEL_VALUE = "spanheap.label.value"
LEAK_KIND = "spanheap.leak.kind"
KINDS = ("leak", "growing", "retained_spans", "unended_spans", "native_growth")
NO_SPAN = "<no span>"


def _by_root(_reading: Reading) -> Values:
    return [(round(size), {ROOT_NAME: name}) for name, size in _core.live_by_root(MAX_ROOT_NAMES)]


def _by_label(reading: Reading) -> Values:
    keys = reading.session._profiler.options.label_metrics
    sets = _core.live_by_labels() if keys else []
    for key in keys:
        by_value: dict[str, float] = {}
        for labels, live_bytes in sets:
            if key in labels:
                by_value[labels[key]] = by_value.get(labels[key], 0.0) + live_bytes
        for value, size in largest(by_value, MAX_LABEL_VALUES):
            yield round(size), {LABEL_KEY: key, LABEL_VALUE: value}


def _verdicts(reading: Reading) -> Values:
    if reading.session._profiler.options.detect is not None:
        kinds: list[str] = [verdict.kind for verdict in reading.session.leaks()]
        for kind in KINDS:
            yield kinds.count(kind), {LEAK_KIND: kind}


def _leak_growth(reading: Reading) -> Values:
    """Of all verdicts together by endpoint."""
    by_root: dict[str, float] = {}
    for verdict in reading.session.leaks():
        name = verdict.root_name or NO_SPAN
        by_root[name] = by_root.get(name, 0.0) + verdict.growth_bytes_per_s
    return [(rate, {ROOT_NAME: name}) for name, rate in largest(by_root, MAX_ROOT_NAMES)]


INSTRUMENTS: tuple[Instrument, ...] = (
    gauge("spanheap.heap.live", "By", "Live Python heap, estimated from samples.",
          lambda reading: one(round(reading.sums()[0]))),
    gauge("spanheap.heap.live_objects", "{object}", "Live objects, estimated.",
          lambda reading: one(round(reading.sums()[1]))),
    gauge("spanheap.heap.live_by_root", "By",
          f"Live Python heap by local root span, the {MAX_ROOT_NAMES - 1} largest and {OTHER}.", _by_root, ROOT_NAME),
    gauge("spanheap.heap.live_by_label", "By",
          f"Live Python heap by label, for the keys asked for; of each the {MAX_LABEL_VALUES - 1} largest and {OTHER}.",
          _by_label, LABEL_KEY, LABEL_VALUE),
    gauge("spanheap.heap.growth", "By/s", "Growth of the live Python heap, over ten minutes.",
          lambda reading: one(reading.heap_growth.rate())),
    counter("spanheap.heap.allocated", "By", "Bytes allocated, estimated.",
            lambda reading: one(round(reading.allocated()))),
    gauge("spanheap.leak.count", "{verdict}", "What the leak detector says at present, by kind.", _verdicts, LEAK_KIND),
    gauge("spanheap.leak.growth", "By/s",
          f"Growth that the leak detector reports by local root span, the {MAX_ROOT_NAMES - 1} fastest and {OTHER}.",
          _leak_growth, ROOT_NAME),
)
