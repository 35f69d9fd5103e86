"""A queue that fills because its exporter stalls: errors get through."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable

import pytest

from spanheap.throttle import processor as module
from spanheap.throttle.pressure import Level

from ._service import Exporter, Service, length, stall, wait_until

MakeService = Callable[..., Service]


def test_errors_wait_for_a_place(service: MakeService) -> None:
    """Ten times what the queue holds ends while the exporter stalls; every error is exported afterwards, once."""
    s = service(max_queue_size=256, max_export_batch_size=64)
    stall(s)
    for i in range(2560):
        s.span(f"error {i}" if i % 10 == 0 else "child", error=i % 10 == 0)
    counts = s.throttle.counts()
    assert 200 < length(s) <= 256 and counts.waiting > 0 and counts.shed_hard > 1000 and counts.shed_error == 0
    s.exporter.works.set()

    def drained() -> bool:
        s.throttle._tick()
        return s.throttle.counts().waiting == 0

    wait_until(drained)
    s.provider.force_flush()
    errors = [name for name in s.exporter.names if name.startswith("error")]
    assert sorted(errors) == sorted(f"error {i}" for i in range(0, 2560, 10))
    counts = s.throttle.counts()
    assert counts.delayed > 0 and counts.passed == len(s.exporter.names)
    assert counts.passed + counts.shed_fair_share + counts.shed_hard == 2561
    assert s.throttle.pressure() == Level.OPEN


def test_without_the_throttle_they_are_lost(exporter: Exporter) -> None:
    """The same spans into the same queue: the oldest make way for whatever comes."""
    s = Service(exporter, max_queue_size=256, max_export_batch_size=64)
    s.provider._active_span_processor._span_processors = (s.batch,)
    stall(s)
    for i in range(2560):
        s.span(f"error {i}" if i % 10 == 0 else "child", error=i % 10 == 0)
    s.end_all()
    s.throttle.shutdown()
    assert 0 < sum(name.startswith("error") for name in exporter.names) < 30


def test_levels_of_the_queue(service: MakeService) -> None:
    """Soft from three quarters on, hard from nine tenths; what is between is left for roots and a fair share."""
    s = service(max_queue_size=1000, max_export_batch_size=100)
    stall(s)
    for _ in range(750):
        s.span("child")
    assert (length(s), s.throttle.pressure()) == (750, Level.SOFT)
    s.throttle._tick()
    for _ in range(1000):
        s.span("chatty")
    assert 750 < length(s) <= 850
    for _ in range(1000):
        s.span("root", root=True)
    assert (length(s), s.throttle.pressure()) == (900, Level.HARD)
    for _ in range(1000):
        s.span("error", error=True)
    assert 900 < length(s) < 1000
    assert s.throttle.counts().waiting == 900 + 1000 - length(s)


def test_a_queue_no_larger_than_a_batch(service: MakeService) -> None:
    """The exporter is woken by a full batch only: nothing is shed before, or a healthy one would get less."""
    s = service(max_queue_size=64, max_export_batch_size=60)
    for i in range(300):
        s.span("child")
        wait_until(lambda i=i: len(s.exporter.names) + length(s) >= min(i + 1, 60) // 60 * 60)   # type: ignore[misc]
        if length(s) >= 60:
            wait_until(lambda: length(s) < 60)
    counts = s.throttle.counts()
    assert counts.shed_hard + counts.shed_fair_share == 0


def test_where_errors_wait_is_bounded(service: MakeService) -> None:
    """In bytes; those that do not fit are counted."""
    s = service(max_queue_size=16, max_export_batch_size=8, error_buffer=100 * 1024)
    stall(s)
    for _ in range(200):
        s.span("error", error=True)
    counts = s.throttle.counts()
    assert (counts.waiting, counts.passed + counts.waiting + counts.shed_error) == (25, 201)
    assert counts.shed_error > 150


def test_a_flush_flushes_those_that_wait(service: MakeService) -> None:
    """By as many rounds as it takes; False where the exporter stalls on."""
    s = service(max_queue_size=32, max_export_batch_size=8)
    stall(s)
    for i in range(300):
        s.span(f"error {i}", error=True)
    s.exporter.works.set()
    assert s.provider.force_flush(20_000) is True
    assert s.throttle.counts().waiting == 0 and len(s.exporter.names) == 301


def test_a_shutdown_exports_those_that_wait(service: MakeService) -> None:
    """In the same way."""
    s = service(max_queue_size=32, max_export_batch_size=8)
    stall(s)
    for i in range(300):
        s.span(f"error {i}", error=True)
    s.exporter.works.set()
    s.provider.shutdown()
    assert Counter(s.exporter.names)["error 299"] == 1 and len(s.exporter.names) == 301
    assert s.throttle.counts().shed_error == 0


def test_a_shutdown_does_not_wait_for_ever(service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors that found no place until then are counted as shed."""
    monkeypatch.setattr(module, "_DRAIN_S", 0.1)
    s = service(max_queue_size=32, max_export_batch_size=8)
    stall(s)
    for i in range(300):
        s.span(f"error {i}", error=True)
    waiting = s.throttle.counts().waiting
    monkeypatch.setattr(s.throttle, "_processor", type("Gone", (), {"shutdown": lambda self: None})())
    s.provider.shutdown()
    counts = s.throttle.counts()
    assert counts.shed_error == waiting > 200 and counts.waiting == 0
    monkeypatch.undo()
    s.exporter.works.set()
    s.batch.shutdown()


def test_a_span_that_ends_after_shutdown(service: MakeService) -> None:
    """Goes to the wrapped processor, which says what it thinks of it."""
    s = service()
    s.provider.shutdown()
    before = s.throttle.counts().passed
    s.span("late")
    assert s.throttle.counts().passed == before + 1
    gc.collect()
