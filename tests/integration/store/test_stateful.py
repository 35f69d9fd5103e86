"""Whatever spans do in whatever order, the store is as a plain oracle has it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, StatusCode

import spanheap
from spanheap import SpanFlags

from ..ring._oracle import Oracle

NAMES = st.sampled_from(["GET /", "SELECT", "PUT /items"])
EPOCH_MS = 1_700_000_000_000


class StoreAgainstOracle(RuleBasedStateMachine):
    """Spans of two providers, sessions that follow each other, and a clock that stands still until it is moved."""

    spans = Bundle("spans")
    ended_spans = Bundle("ended_spans")

    def __init__(self) -> None:
        super().__init__()
        self.providers = [TracerProvider(shutdown_on_exit=False) for _ in range(2)]
        self.session: spanheap.Session | None = None
        self.ms = EPOCH_MS
        self.starts = 0

    def _set_clock(self, ms: int) -> None:
        self.ms = ms
        spanheap._core.set_span_time(ms * 1_000_000)

    @initialize(capacity=st.integers(2, 12), ttl_ms=st.integers(1, 40))
    def begin(self, capacity: int, ttl_ms: int) -> None:
        """A session, which attaches to the first provider; the second has had its processor before."""
        self._set_clock(self.ms)
        self.capacity = capacity
        self.session = spanheap.start(
            tick=None, tracer_provider=self.providers[0], span_capacity=capacity, span_ttl=ttl_ms / 1000
        )
        if not spanheap.spans.sdk.members(spanheap.spans.sdk.provider_processors(self.providers[1])):
            self.providers[1].add_span_processor(spanheap._core.SpanProcessor())   # type: ignore[arg-type]
        self.oracle = Oracle(capacity, ttl_ms, drop=False)
        self.active: dict[int, tuple[str, bool]] = {}   # span id -> name at its start, local root?
        self.ended: Counter[tuple[str, bool]] = Counter()
        self.failed: Counter[tuple[str, bool]] = Counter()

    @rule(capacity=st.integers(2, 12), ttl_ms=st.integers(1, 40))
    def another_session(self, capacity: int, ttl_ms: int) -> None:
        """Spans that are active go on; the store of before keeps what it has."""
        assert self.session is not None
        before, expected = self.session.spans, self.oracle.look(self.ms)
        self.session.shutdown()
        self.begin(capacity, ttl_ms)
        assert [record[:6] for record in before.recent()] == [row[:6] for row in expected]
        assert before.active() == []

    @rule(target=spans, provider=st.integers(0, 1), name=NAMES, parent=st.none() | spans)
    def start(self, provider: int, name: str, parent: Span | None) -> Span:
        """With or without a parent, which may be active or of a session that is over."""
        self.starts += 1
        context = trace.Context() if parent is None else trace.set_span_in_context(parent, trace.Context())
        span = self.providers[provider].get_tracer("t").start_span(name, context, start_time=1_000 + self.starts)
        if len(self.active) < self.capacity:
            known = parent is not None and parent.get_span_context().span_id in self.active
            self.active[span.get_span_context().span_id] = name, not known
        return span

    @rule(span=spans, name=NAMES)
    def rename(self, span: Any, name: str) -> None:
        """Its record has the name that it ends with."""
        span.update_name(name)

    @rule(span=spans)
    def fail(self, span: Any) -> None:
        """Before it ends."""
        span.set_status(StatusCode.ERROR)

    @rule(target=ended_spans, span=consumes(spans), ms=st.integers(0, 30))
    def end(self, span: Any, ms: int) -> Any:
        """After a while."""
        self._set_clock(self.ms + ms)
        span.end(end_time=span.start_time + 5)
        context, parent = span.get_span_context(), span.parent
        tracked = self.active.pop(context.span_id, None)
        root = parent is None if tracked is None else tracked[1]
        failed = span.status.status_code is StatusCode.ERROR
        flags = SpanFlags.SAMPLED | SpanFlags.ROOT * root | SpanFlags.ERROR * failed
        flags |= SpanFlags.TRACKED * (tracked is not None)
        parent_id = parent.span_id if parent else 0
        record = context.trace_id, context.span_id, parent_id, span.name, span.start_time, 5, flags
        self.oracle.append(record, self.ms)
        self.ended[span.name, root] += 1
        self.failed[span.name, root] += failed
        return span

    @rule(span=ended_spans)
    def end_again(self, span: Any) -> None:
        """Nothing happens: the SDK does not pass it on."""
        span.end()

    @rule(ms=st.integers(0, 50))
    def wait(self, ms: int) -> None:
        """Time passes."""
        self._set_clock(self.ms + ms)

    @rule(n=st.none() | st.integers(0, 15))
    def recent(self, n: int | None) -> None:
        """The newest, and all of them as an array."""
        assert self.session is not None
        expected = self.oracle.look(self.ms)
        records = self.session.spans.recent(n)
        newest = expected if n is None else expected[max(0, len(expected) - n):]
        assert [(*r[:6], r.flags) for r in records] == newest
        array, names = self.session.spans.to_numpy(), self.session.spans.names()
        assert [names[number] for number in array["name"]] == [row[3] for row in expected]

    @rule(span=spans | ended_spans)
    def get(self, span: Any) -> None:
        """A trace."""
        assert self.session is not None
        trace_id = span.get_span_context().trace_id
        found = self.session.spans.get(f"{trace_id:032x}")
        assert [(*r[:6], r.flags) for r in found.ended] == [row for row in self.oracle.look(self.ms) if row[0] == trace_id]
        assert all(s.trace_id == f"{trace_id:032x}" for s in found.active)
        assert (span.get_span_context().span_id in self.active) == (
            f"{span.get_span_context().span_id:016x}" in [s.span_id for s in found.active])

    @rule()
    def count(self) -> None:
        """Exact at any time."""
        assert self.session is not None
        assert self.session.spans.counts() == self.oracle.counts(self.ms)
        assert [int(s.span_id, 16) for s in self.session.spans.active(100)] == list(self.active)
        active = Counter(self.active.values())
        assert {(row.name, row.root): row[2:5] for row in self.session.spans.by_name()} == {
            key: (active[key], self.ended[key], self.failed[key]) for key in {*active, *self.ended}
        }

    @rule()
    def check(self) -> None:
        """The invariants of the core; they look at all records, as `recent` does."""
        assert self.session is not None
        assert spanheap._core.valid() and self.session.spans._log.valid()
        self.oracle.look(self.ms)

    def teardown(self) -> None:
        """Nothing stays on."""
        if self.session is not None:
            self.session.shutdown()
        spanheap._core.set_span_time(0)


TestStoreAgainstOracle = StoreAgainstOracle.TestCase
TestStoreAgainstOracle.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStoreAgainstOracle.pytestmark = [pytest.mark.once(reason="what the store says of spans, whoever made them")]
