"""Kept spans at work in a session: how often the span store is asked for names, and what a verdict on them says."""

from __future__ import annotations

from typing import Any

from spanheap.detection.clock import Clock
from spanheap.detection.description import EXAMPLE_TRACES, site_of_span
from spanheap.detection.evidence import Bound, Evidence
from spanheap.detection.kept_spans import Kept, KeptKey, KeptSpans, Name
from spanheap.detection.series import Aggregate
from spanheap.detection.verdict import LeakVerdict
from spanheap.snapshot.usage import Site

KEPT_MIN_BYTES = 64 * 1024     # below that nobody asks for names
NAMES_AT_FIRST_S = 20.0        # by name at each look, after spans were first kept; then ever less often:
NAMES_EVERY = 0.1              # of the time since then
NAMES_AT_MOST_S = 15.0
SITES = 64
SITE_WAIT_S = 120.0


class KeptSpanWatch:
    """One a LeakWatch, which tells it the time."""

    def __init__(self, spans: Any) -> None:
        """spans: the session's SpanStore."""
        self.names = KeptSpans()
        self._spans = spans
        self._next_names = self._names_since = 0.0
        self._sites: dict[KeptKey, tuple[Site | None, float]] = {}   # where spans of a name are made; asked for since

    def look(self, clock: float) -> None:
        """Once a look of the detector's, whose clock this is."""
        totals_of = getattr(self._spans, "retained_totals", None)
        if totals_of is None or clock < self._next_names:
            return
        totals = totals_of()
        rows: list[Kept] = []
        if totals.retained_bytes >= KEPT_MIN_BYTES:
            rows += _kept_rows(self._spans.retained())
        if totals.unended_bytes >= KEPT_MIN_BYTES:
            rows += [
                Kept(KeptKey("unended_spans", r.name, r.root_name), r.spans, r.bytes, r.oldest_age_s, r.trace_ids)
                for r in self._spans.unended()
            ]
        # By name is 20 ms of Python code for a full sample, less for the small one that there is at first.
        self._names_since = self._names_since if rows else clock
        kept_for = clock - self._names_since
        rest = 0.0 if kept_for <= NAMES_AT_FIRST_S else min(NAMES_EVERY * kept_for, NAMES_AT_MOST_S)
        self._next_names = clock + rest
        self.names.observe(clock, rows)

    def verdicts(
        self, aggregate: Aggregate, left: float | None, clock: Clock, before: list[LeakVerdict]
    ) -> list[LeakVerdict]:
        """left: bytes until the memory limit. before: the verdicts of the last look, whose time a verdict keeps."""
        return [self._verdict(name, aggregate, left, clock, before) for name in self.names.found() if self._has_site(name)]

    def _has_site(self, name: Name) -> bool:
        """A verdict waits for the first samples of its spans, which say where they are made; not for ever."""
        key = name.last.key
        site, asked_at = self._sites.get(key, (None, name.at))
        if site is None:
            self._sites[key] = site_of_span(key.name), asked_at
            if len(self._sites) > SITES:
                self._sites.pop(next(iter(self._sites)))
        return site is not None or self._sites[key][0] is not None or name.at - asked_at > SITE_WAIT_S

    def _share(self, name: Name, aggregate: Aggregate) -> float:
        """Of the growth of the heap since spans of this name were first seen kept."""
        starts, heap = aggregate.starts, aggregate.heap_bytes
        grown = heap[-1] - next((size for start, size in zip(starts, heap, strict=True) if start >= name.since), heap[-1])
        return min(1.0, (name.last.bytes - name.first.bytes) / grown) if grown > 0 else 1.0

    def _verdict(
        self, name: Name, aggregate: Aggregate, left: float | None, clock: Clock, before: list[LeakVerdict]
    ) -> LeakVerdict:
        key, rate = name.last.key, name.bytes_per_s
        said = next((v for v in before if (v.kind, v.span_name, v.root_name) == key), None)
        evidence = name.evidence or Evidence(Bound.UNKNOWN)
        return LeakVerdict(
            kind=key.kind, site=self._sites[key][0] if key in self._sites else None,
            span_name=key.name, root_name=key.root_name,
            trace_ids=name.last.trace_ids[:EXAMPLE_TRACES], live_bytes=name.last.bytes, growth_bytes_per_s=rate,
            share_of_growth=self._share(name, aggregate), confidence=0.99 if evidence.bound is Bound.SPANS else 0.9,
            time_to_limit_s=left / rate if left is not None and rate > 0 else None, holder=evidence.holder,
            since=said.since if said else clock.absolute(name.since), reason=evidence.detail or evidence.bound.value,
            container=evidence.container, through=evidence.through,
        )


def _kept_rows(retained: list[Any]) -> list[Kept]:
    """By name: a span and what its exporters were given are one."""
    rows: dict[KeptKey, Kept] = {}
    for r in retained:
        key = KeptKey("retained_spans", r.name, r.root_name)
        before = rows.get(key)
        if before is None:
            rows[key] = Kept(key, r.spans, r.bytes, r.oldest_age_s, r.trace_ids)
        else:
            oldest = max(before.oldest_age_s, r.oldest_age_s)
            rows[key] = before._replace(spans=max(before.spans, r.spans), bytes=before.bytes + r.bytes, oldest_age_s=oldest)
    return list(rows.values())
