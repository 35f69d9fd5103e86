"""`Session.spans`: what it has of active and of ended spans."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, Tracer

import spanheap
from spanheap import SpanFlags


def test_a_record_has_what_the_span_had(session: spanheap.Session, tracer: Tracer) -> None:
    """Ids, the final name, times to the nanosecond, and the flags."""
    with tracer.start_as_current_span("GET /") as outer, tracer.start_as_current_span("draft") as inner:
        inner.update_name("SELECT")
        inner.set_status(Status(StatusCode.ERROR))
    first, second = session.spans.recent()
    for record, span, parent_id, name, flags in (
        (first, inner, outer.get_span_context().span_id, "SELECT", SpanFlags.SAMPLED | SpanFlags.ERROR | SpanFlags.TRACKED),
        (second, outer, 0, "GET /", SpanFlags.SAMPLED | SpanFlags.ROOT | SpanFlags.TRACKED),
    ):
        context = span.get_span_context()
        assert record[:5] == (context.trace_id, context.span_id, parent_id, name, span.start_time)   # type: ignore[attr-defined]
        assert record.duration_ns == span.end_time - span.start_time   # type: ignore[attr-defined]
        assert record.flags == flags
        assert record.thread == first.thread


def test_a_span_with_a_remote_parent_is_a_root_and_names_its_parent(session: spanheap.Session, tracer: Tracer) -> None:
    """So that the caller's trace can be found."""
    remote = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1)))
    tracer.start_span("GET /", context=trace.set_span_in_context(remote)).end()
    [record] = session.spans.recent()
    assert (record.trace_id, record.parent_id) == (0xABC, 0xDEF) and record.flags & SpanFlags.ROOT


def test_recent_has_the_newest_in_the_order_of_their_ends(session: spanheap.Session, tracer: Tracer) -> None:
    """Beyond the capacity the oldest go, and are counted."""
    for i in range(150):
        tracer.start_span(f"span {i}").end()
    assert [r.name for r in session.spans.recent()] == [f"span {i}" for i in range(50, 150)]
    assert [r.name for r in session.spans.recent(3)] == ["span 147", "span 148", "span 149"]
    assert session.spans.recent(0) == [] and len(session.spans.recent(10**12)) == 100
    assert session.spans.counts() == (150, 100, 50, 0, 0, 0)


def test_a_trace_is_found_by_number_and_by_hex_digits(session: spanheap.Session, tracer: Tracer) -> None:
    """With what is active of it and what has ended, and nothing of other traces."""
    tracer.start_span("other").end()
    with tracer.start_as_current_span("GET /") as root:
        tracer.start_span("one").end()
        tracer.start_span("two").end()
        trace_id = root.get_span_context().trace_id
        for key in (trace_id, f"{trace_id:032x}", f"{trace_id:032X}"):
            found = session.spans.get(key)
            assert [s.name for s in found.active] == ["GET /"] and [r.name for r in found.ended] == ["one", "two"]
    assert [r.name for r in session.spans.get(trace_id).ended] == ["one", "two", "GET /"]
    assert session.spans.get(1) == ([], [])


@pytest.mark.parametrize(
    ("trace_id", "error"),
    [(-1, ValueError), (1 << 128, ValueError), ("abc", ValueError), ("x" * 32, ValueError), ("0x" + "1" * 30, ValueError),
     (None, TypeError), (True, TypeError), (b"1" * 32, TypeError), (1.0, TypeError)],
)
def test_a_wrong_trace_id_is_named(session: spanheap.Session, trace_id: object, error: type[Exception]) -> None:
    """With what would be right."""
    with pytest.raises(error, match="trace_id must be") as caught:
        session.spans.get(trace_id)   # type: ignore[arg-type]
    assert repr(trace_id) in str(caught.value)


@pytest.mark.parametrize(("n", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError), ("1", TypeError)])
def test_a_wrong_number_is_named(session: spanheap.Session, n: object, error: type[Exception]) -> None:
    """Of active and of recent spans."""
    for ask in (session.spans.active, session.spans.recent):
        with pytest.raises(error, match="n must be"):
            ask(n)   # type: ignore[operator]
