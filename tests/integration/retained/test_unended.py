"""Spans that are started and never ended."""

from __future__ import annotations

import pytest

from .conftest import Service


def test_spans_that_never_end_are_found_by_name(service: Service) -> None:
    """Once they are old, and as long as they exist; those that end in time are not there."""
    kept = [service.tracer.start_span("consume") for _ in range(40)]
    slow = service.tracer.start_span("slow")
    service.wait(59)
    assert service.spans.unended() == []
    slow.end()
    del slow
    service.wait(3)
    [row] = service.spans.unended()
    assert (row.name, row.root_name, row.spans, row.sampled) == ("consume", "consume", 40, 40)
    assert 60 <= row.oldest_age_s <= 62 and row.bytes == pytest.approx(40 * 2_600, rel=0.3)
    assert len(row.trace_ids) == 5
    assert {f"{span.get_span_context().trace_id:032x}" for span in kept} >= set(row.trace_ids)
    assert service.spans.retained_totals().unended_spans == 40
    del kept[20:]   # never ended, but gone
    assert service.spans.unended()[0].spans == 20
    for span in kept:
        span.end()
    assert service.spans.unended() == []
    service.wait(7)
    assert [(r.name, r.spans) for r in service.spans.retained()] == [("consume", 20)]


def test_many_are_estimated(service: Service) -> None:
    """More than can be watched one by one."""
    kept = []
    for _ in range(18):
        kept += [service.tracer.start_span("job") for _ in range(300)]
        service.wait(1)
    service.wait(61)
    [row] = service.spans.unended()
    assert row.spans == pytest.approx(len(kept), rel=0.2)


def test_the_size_of_an_unended_span_is_what_it_is_now(service: Service) -> None:
    """It may still grow."""
    span = service.tracer.start_span("growing")
    service.wait(70)
    before = service.spans.unended()[0].bytes
    span.set_attribute("body", "x" * 100_000)
    assert service.spans.unended()[0].bytes == pytest.approx(before + 100_000, rel=0.02)


def test_a_wrong_age_is_refused(service: Service) -> None:
    """With the range."""
    with pytest.raises(ValueError, match=r"age must be between 0 and 1,000,000,000 seconds, not -1"):
        service.spans.unended(age=-1)
    with pytest.raises(TypeError, match="age must be a number of seconds, not None"):
        service.spans.unended(age=None)   # type: ignore[arg-type]
