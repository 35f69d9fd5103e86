"""Ended spans that somebody keeps."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

from spanheap.doctor.exporters import mean_bytes
from spanheap.doctor.finding import Finding, size
from spanheap.doctor.setup import Setup
from spanheap.retention import holders
from spanheap.spans import exporting, sdk

MIN_SPANS = 64        # ended and kept by one holder: fewer are those of requests that have just ended
_EXPORTING = "OtelBatch"   # threads of batching processors: they have a batch in hand, which is in no queue any more
_BUDGET_MS = 2000     # of the walk: who starts a doctor wants it complete


def span_cache(setup: Setup) -> Iterator[Finding]:
    """Every one of them, whoever has it; those in export queues and in-memory exporters apart."""
    if not setup.thorough:
        return
    spans = _ended(_exempt(setup))
    if len(spans) < MIN_SPANS:
        return
    search = holders.search(spans, 10, _BUDGET_MS)
    each = mean_bytes(spans)
    for holder in search.holders:
        exported_now = any(step.thread.startswith(_EXPORTING) for step in holder.path)
        if round(holder.objects) >= MIN_SPANS and not exported_now:
            held = round(holder.objects) * each
            name = str(getattr(spans[-1], sdk.SPAN_FIELDS[2], ""))
            yield Finding(
                "span-cache",
                f"{round(holder.objects):,} ended spans, such as {name!r}, are kept by {holder}.",
                str(holder),
                f"An ended span has its attributes, events and stack traces with it: {size(held)}, {size(each)} each" +
                (", and the walk was cut short: there may be more holders." if holder.incomplete else "."),
                held,
                "Keep what is needed of it, its ids, name and times, in spanheap.SpanRing(capacity, ttl=…), and let the "
                "span go; `spanheap audit` says how fast such a cache grows.",
            )


def _exempt(setup: Setup) -> set[int]:
    processors = list(setup.span_processors())
    rightly = {id(span) for queue in exporting.held(processors)[0] for span in queue}
    for processor in processors:   # told of by a check of its own
        get = getattr(sdk.exporter_of(processor), "get_finished_spans", None)
        rightly |= {id(span) for span in get()} if callable(get) else set()
    return rightly


def _ended(exempt: set[int]) -> list[Any]:
    types = tuple(sdk.span_types())
    gc.collect()   # what only waits for the collector is kept by nobody
    return [o for o in gc.get_objects()
            if issubclass(type(o), types) and id(o) not in exempt and getattr(o, sdk.SPAN_END, None) is not None]


CHECKS = (("span-cache", span_cache),)
