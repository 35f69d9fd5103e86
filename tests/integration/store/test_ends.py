"""Spans that end as spans do in real services: twice, never, elsewhere, unannounced, with odd times."""

from __future__ import annotations

import gc
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags, Tracer

import spanheap
from spanheap import SpanFlags
from spanheap.spans import sdk


class Kept(SpanProcessor):
    """Keeps what ends."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """See SpanProcessor."""
        self.ended.append(span)


def processor_of(provider: TracerProvider) -> spanheap._core.SpanProcessor:
    """Ours."""
    [ours] = [p for p in sdk.members(sdk.provider_processors(provider)) if isinstance(p, spanheap._core.SpanProcessor)]
    return ours


def names(session: spanheap.Session) -> list[str]:
    """Of what has ended, in order."""
    return [record.name for record in session.spans.recent()]


def test_a_span_that_ends_twice_is_published_once_and_counted(
    session: spanheap.Session, provider: TracerProvider, tracer: Tracer
) -> None:
    """The SDK guards its own `end`; a processor that passes an end on twice does not."""
    kept = Kept()
    provider.add_span_processor(kept)
    span = tracer.start_span("GET /")
    span.end()
    span.end()
    assert session.stats().spans_ended_twice == 0
    processor_of(provider).on_end(kept.ended[0])
    processor_of(provider).on_end(kept.ended[0])
    assert names(session) == ["GET /"]
    assert (session.stats().spans_ended, session.stats().spans_ended_twice) == (1, 2)


def test_a_span_that_never_ends_is_active_and_one_at_its_address_takes_its_place(
    session: spanheap.Session, tracer: Tracer
) -> None:
    """It was freed without an end; what ends is published."""
    kept = [tracer.start_span(f"lost {i}") for i in range(10)]
    assert [s.name for s in session.spans.active(100)] == [f"lost {i}" for i in range(10)]
    kept.clear()
    gc.collect()
    for i in range(20):
        tracer.start_span(f"span {i}").end()
    assert names(session) == [f"span {i}" for i in range(20)]
    stats = session.stats()
    assert stats.spans_started == 30 == stats.spans_ended + stats.spans_active + stats.spans_replaced
    assert {s.name for s in session.spans.active(100)} <= {f"lost {i}" for i in range(10)}


def test_a_span_may_end_in_another_thread(session: spanheap.Session, tracer: Tracer) -> None:
    """The record has the number of the thread that ended it."""
    spans = [tracer.start_span(f"span {i}") for i in range(2)]
    spans[0].end()
    thread = threading.Thread(target=spans[1].end)
    thread.start()
    thread.join()
    here, there = session.spans.recent()
    assert there.name == "span 1" and here.thread != there.thread
    assert session.spans.active() == []


def test_spans_of_several_providers_meet_in_one_store() -> None:
    """And know each other: a parent may be of another provider."""
    first, *others = providers = [TracerProvider(shutdown_on_exit=False) for _ in range(4)]
    with spanheap.profile(tick=None, tracer_provider=providers) as session:
        for number, provider in enumerate(others):
            with first.get_tracer("t").start_as_current_span("outer"):
                provider.get_tracer("t").start_span(f"inner {number}").end()
        assert names(session) == ["inner 0", "outer", "inner 1", "outer", "inner 2", "outer"]
        for record in session.spans.recent():
            assert (record.flags & SpanFlags.ROOT == 0) == record.name.startswith("inner")


def test_a_provider_that_is_made_later_can_be_given_to_a_second_start(session: spanheap.Session) -> None:
    """Which says that there is a session, and returns it."""
    later = TracerProvider(shutdown_on_exit=False)
    with pytest.warns(RuntimeWarning, match="already running"):
        assert spanheap.start(tracer_provider=later) is session
    later.get_tracer("t").start_span("later").end()
    assert names(session) == ["later"]


@pytest.mark.parametrize("wrong", [[], [TracerProvider(shutdown_on_exit=False), 5], 5])
def test_what_is_no_provider_is_refused(wrong: Any) -> None:
    """By name."""
    with pytest.raises(TypeError, match="tracer_provider must be None or have get_tracer"):
        spanheap.start(tracer_provider=wrong)


def test_a_span_that_began_before_the_session_is_published_when_it_ends() -> None:
    """Without TRACKED, and counted as unannounced."""
    provider = TracerProvider(shutdown_on_exit=False)
    with spanheap.profile(tick=None, tracer_provider=provider):
        pass
    early = provider.get_tracer("t").start_span("early")
    with spanheap.profile(tick=None, tracer_provider=provider) as session:
        assert session.spans.active() == []
        early.end()
        [record] = session.spans.recent()
        assert record.name == "early" and record.flags == SpanFlags.SAMPLED | SpanFlags.ROOT
        assert record.duration_ns == early.end_time - early.start_time   # type: ignore[attr-defined]
        assert session.stats().spans_unannounced == 1 and session.stats().spans_ended == 0


def test_beyond_the_capacity_spans_are_published_untracked(session: spanheap.Session, tracer: Tracer) -> None:
    """100 are active at most in this session; the others end all the same."""
    spans = [tracer.start_span("many") for _ in range(120)]
    for span in spans:
        span.end()
    assert session.spans.counts().produced == 120
    stats = session.stats()
    assert (stats.spans_untracked, stats.spans_unannounced, stats.spans_ended) == (20, 20, 100)
    assert sum(not r.flags & SpanFlags.TRACKED for r in session.spans.recent()) == 20


def test_times_that_an_application_gives_are_taken(session: spanheap.Session, tracer: Tracer) -> None:
    """However long ago; one that ends before it started has no duration."""
    tracer.start_span("old", start_time=1_000).end(end_time=5_000)
    tracer.start_span("backwards", start_time=5_000).end(end_time=1_000)
    old, backwards = session.spans.recent()
    assert (old.start_ns, old.duration_ns) == (1_000, 4_000)
    assert (backwards.start_ns, backwards.duration_ns) == (5_000, 0)


class OddSpan:
    """A span of another make: it has what the API promises of a ReadableSpan, as properties."""

    def __init__(self, number: int, **fields: Any) -> None:
        self.context = SpanContext(7, number, is_remote=False, trace_flags=TraceFlags(1))
        self.parent = None
        self.name = f"odd {number}"
        self.__dict__.update(fields)


def test_spans_of_another_make_are_asked_for_their_properties(session: spanheap.Session, provider: TracerProvider) -> None:
    """Times and status may be missing or nonsense; ids may not, and are counted as errors."""
    ours = processor_of(provider)
    failed = SimpleNamespace(status_code=StatusCode.ERROR)
    for span in (
        OddSpan(1), OddSpan(2, start_time=10, end_time=30, status=failed), OddSpan(3, start_time="?", end_time=1.5),
        OddSpan(4, name=5), OddSpan(5, start_time=-1, end_time=1 << 70), OddSpan(6, name="x" * 5_000),
        OddSpan(7, name="\ud800"),
    ):
        ours.on_start(span)
        ours.on_end(span)
    records = session.spans.recent()
    assert [r.span_id for r in records] == [1, 2, 3, 4, 5, 6, 7]
    assert (records[1].start_ns, records[1].duration_ns) == (10, 20) and records[1].flags & SpanFlags.ERROR
    assert all(r.start_ns > 1.7e18 and r.duration_ns < 60e9 for r in records if r.span_id != 2)
    assert [r.name for r in records] == ["odd 1", "odd 2", "odd 3", "<other>", "odd 5", "x" * 1024, "<other>"]
    assert ours.errors == 0


@pytest.mark.parametrize(
    "context", [None, (1, 2), (1 << 128, 2, False, 1, None), (1, 1 << 64, False, 1, None), (1, -2, False, 1, None),
                ("1", 2, False, 1, None), (1, "2", False, 1, None), (1, 2, False, None, None), object()],
)
def test_what_is_no_span_is_counted_as_an_error_and_raises_nothing(context: object) -> None:
    """A service must not fail for what another library passes on."""
    ours = spanheap._core.SpanProcessor()
    with spanheap.profile(tick=None) as session:
        for parent in (None, ()):
            span = OddSpan(1, context=context, parent=parent)
            ours.on_start(span)
            ours.on_end(span)
        ours.on_end(object())
        assert ours.errors == 5
        assert session.spans.recent() == session.spans.active() == []
        assert spanheap._core.valid() and session.spans._log.valid()
