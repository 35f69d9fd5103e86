"""Pauses of the collector: noted in its callbacks, recorded later."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import pytest

from spanheap.telemetry.gc_pauses import GENERATION, ROOM, GcPauses

pytestmark = pytest.mark.once(reason="gc.callbacks are the same on every CPython")


class Histogram:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.points: list[tuple[float, dict[str, int]]] = []

    def record(self, value: float, attributes: dict[str, int]) -> None:
        """As OpenTelemetry's does; and sets off a collection, as that may."""
        self.points.append((value, attributes))
        gc.collect(0)


class Slow:
    """Garbage that takes its time to go."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        time.sleep(0.02)


@pytest.fixture
def pauses() -> Iterator[GcPauses]:
    """At work, with no collections beside those of the test."""
    gc.collect()
    gc.disable()
    found = GcPauses()
    found.start()
    yield found
    found.stop()
    gc.enable()


def test_a_pause_is_recorded_with_its_generation_and_length(pauses: GcPauses) -> None:
    """Finalizers included; each once."""
    Slow()
    gc.collect(2)
    gc.collect(1)
    histogram = Histogram()
    pauses.record(histogram)
    (young, at1), (full, at2) = histogram.points
    assert (at1, at2) == ({GENERATION: 1}, {GENERATION: 2})
    assert 0 < young < 0.02 <= full < 5
    again = Histogram()
    pauses.record(again)   # those that recording set off, and only those
    assert [attributes for _, attributes in again.points] == [{GENERATION: 0}] * 2


def test_what_there_is_no_room_for_is_counted(pauses: GcPauses) -> None:
    """Of each generation by itself: young ones do not crowd out a full one."""
    for _ in range(ROOM + 9):
        gc.collect(0)
    gc.collect(2)
    lost, histogram = pauses.lost, Histogram()
    pauses.record(histogram)
    generations = [attributes[GENERATION] for _, attributes in histogram.points]
    assert (generations.count(0), generations.count(2), lost) == (ROOM, 1, 9)


def test_a_collection_that_had_begun_before_is_left_out() -> None:
    """Its beginning is not known."""
    pauses, histogram = GcPauses(), Histogram()
    pauses._note("stop", {"generation": 2})
    pauses.record(histogram)
    assert histogram.points == []


def test_a_child_records_its_own(pauses: GcPauses) -> None:
    """What was noted before the fork is the parent's."""
    gc.collect()
    pauses.forget()
    histogram = Histogram()
    pauses.record(histogram)
    assert histogram.points == []


def test_nothing_is_left_in_gc_callbacks() -> None:
    """And stopping twice, or after somebody else emptied the list, is no error."""
    before = list(gc.callbacks)
    pauses = GcPauses()
    pauses.start()
    assert gc.callbacks != before
    pauses.stop()
    pauses.stop()
    assert gc.callbacks == before
